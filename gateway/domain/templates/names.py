"""The names that a template may use, and the values behind them for one recipient."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from msgspec import Struct

from gateway.domain.templates.undefined import Absent


class RecipientNames(Struct, frozen=True, kw_only=True):
    """`recipient` in a template. `attributes` holds plain JSON values."""

    name: str | None = None
    external_id: str | None = None
    locale: str | None = None
    country: str | None = None
    attributes: Mapping[str, Any] = {}


class CouponNames(Struct, frozen=True, kw_only=True):
    """`coupon` in a template. The dates are instants in UTC, shown in the recipient's zone."""

    code: str
    title: str
    valid_until: datetime | None = None
    valid_from: datetime | None = None
    url: str | None = None
    """The coupon's own page at this gateway."""


class JobNames(Struct, frozen=True, kw_only=True):
    """`job` in a template."""

    name: str


class SenderNames(Struct, frozen=True, kw_only=True):
    """`sender` in a template: the brand that writes."""

    name: str
    postal_address: str | None = None
    website: str | None = None


class RenderContext(Struct, frozen=True, kw_only=True):
    """All that differs from one recipient to the next.

    `vars` are the job's variables for this recipient: `vars.city`, and `city` where the
    content was checked with that variable. `links` gives the tracked address of each link
    by its place in `CheckedContent.links`; None turns tracking off and leaves links as
    written. `zone` is an IANA name; dates are shown in it. `locale` picks the variant.
    """

    recipient: RecipientNames
    job: JobNames
    locale: str
    zone: str = "UTC"
    vars: Mapping[str, Any] = {}
    coupon: CouponNames | None = None
    sender: SenderNames | None = None
    unsubscribe_url: str | None = None
    preferences_url: str | None = None
    links: Mapping[int, str] | None = None


FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "recipient": RecipientNames.__struct_fields__,
    "coupon": CouponNames.__struct_fields__,
    "job": JobNames.__struct_fields__,
    "sender": SenderNames.__struct_fields__,
}
"""The names with a fixed set of fields: any other field is an error at acceptance."""

OWN_LINKS: Final = frozenset({"unsubscribe_url", "preferences_url"})
"""Addresses that the gateway makes for each message: always whole web addresses."""

OWN_ADDRESSES: Final = OWN_LINKS | {"coupon.url"}
"""As they are written in a template, also those that are a field of a name."""

KNOWN: Final = frozenset({*FIELDS, *OWN_LINKS, "vars"})
RESERVED: Final = KNOWN | {"track", "loop", "self", "super", "caller", "varargs", "kwargs", "context"}
"""Names that a template cannot assign. A job variable of such a name is reached through `vars.` only."""


def values(context: RenderContext) -> dict[str, Any]:
    """The context as plain dicts: Jinja never sees an object with methods of ours."""
    named = {
        **context.vars,
        "vars": dict(context.vars),
        "recipient": _fields(context.recipient),
        "job": _fields(context.job),
        "coupon": _fields(context.coupon),
        "sender": _fields(context.sender),
        "unsubscribe_url": context.unsubscribe_url,
        "preferences_url": context.preferences_url,
    }
    return {name: Absent(name=name) if value is None else value for name, value in named.items()}


def _fields(struct: Struct | None) -> dict[str, Any] | None:
    if struct is None:
        return None
    return {name: getattr(struct, name) for name in struct.__struct_fields__}
