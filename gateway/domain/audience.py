"""Whom a job is for: people named one by one, or an expression over what is known of them."""

from datetime import timedelta
from typing import Annotated, Any

from msgspec import Meta, Struct

from gateway.domain.recipient import Profile
from gateway.domain.words import CountryCode, ExternalId, Key, Minor, refuse_endless, refuse_nul

Scalar = str | int | float | bool


class _Node(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="op"):
    pass


class Everyone(_Node, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="everyone"):
    """All recipients."""


class All(_Node, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="all"):
    """Every one of the conditions."""

    of: Annotated[tuple["Expression", ...], Meta(min_length=1, max_length=20)]


class AnyOf(_Node, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="any"):
    """At least one of the conditions."""

    of: Annotated[tuple["Expression", ...], Meta(min_length=1, max_length=20)]


class Not(_Node, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="not"):
    """The condition does not hold. Unknown counts as not holding."""

    of: "Expression"


class Country(_Node, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="country"):
    """The recipient's country is one of these."""

    any_of: Annotated[tuple[CountryCode, ...], Meta(min_length=1, max_length=250)]


class AttributeIs(_Node, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="attribute"):
    """The attribute has one of these values."""

    name: Key
    any_of: Annotated[tuple[Scalar, ...], Meta(min_length=1, max_length=100)]

    def __post_init__(self) -> None:
        refuse_nul(any_of=self.any_of)


class AttributeBetween(_Node, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="attribute_between"):
    """The attribute is a number within these bounds, both included; either may be left out."""

    name: Key
    at_least: float | None = None
    at_most: float | None = None


class Activity(_Node, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="activity"):
    """What the recipient did elsewhere: how often, when last, how much in all.

    Only activities of `kind` within the last `within` count where it is given. `dormant_for`
    asks that the last one is at least so long ago, and that there was one.
    """

    kind: Key
    within: timedelta | None = None
    dormant_for: timedelta | None = None
    at_least: Annotated[int, Meta(ge=0, le=10**9)] | None = None
    at_most: Annotated[int, Meta(ge=0, le=10**9)] | None = None
    amount_at_least_minor: Minor | None = None

    def __post_init__(self) -> None:
        refuse_endless(within=self.within, dormant_for=self.dormant_for)


Expression = Everyone | All | AnyOf | Not | Country | AttributeIs | AttributeBetween | Activity

MAX_DEPTH = 8


def depth(expression: Expression) -> int:
    match expression:
        case All(of=parts) | AnyOf(of=parts):
            return 1 + max(depth(part) for part in parts)
        case Not(of=part):
            return 1 + depth(part)
        case _:
            return 1


class Named(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One recipient of an inline audience. `variables` are for this job only.

    `profile` makes a recipient who is not known yet; it never edits one who is.
    """

    id: ExternalId
    variables: dict[str, Any] = {}
    profile: Profile | None = None

    def __post_init__(self) -> None:
        refuse_nul(variables=self.variables)


class _Audience(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    pass


class Inline(_Audience, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="inline"):
    """These people, each with variables of their own."""

    recipients: Annotated[tuple[Named, ...], Meta(min_length=1, max_length=10_000)]


class Ids(_Audience, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="ids"):
    """These people, by external id."""

    ids: Annotated[tuple[ExternalId, ...], Meta(min_length=1, max_length=100_000)]


class Matching(_Audience, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="matching"):
    """Everyone for whom the expression holds when the job is expanded."""

    where: Expression


Audience = Inline | Ids | Matching
