"""What the tables `[channels.whatsapp]` of both providers have in common."""

from collections.abc import Mapping
from typing import Annotated, Final
from urllib.parse import urlsplit

from msgspec import Meta, Struct

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost"})

Language = Annotated[
    str,
    Meta(
        pattern=r"^(\*|[a-z]{2,3}(-[A-Za-z0-9]{2,8})*)$",
        description="A language such as it or pt-BR, or * for all others.",
    ),
]
Key = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,63}$", description="1 to 64 of a-z, 0-9, _ and -.")]
BrandName = Annotated[
    str, Meta(pattern=r"^[a-z][a-z0-9-]{0,31}$", description="1 to 32 of a-z, 0-9 and -, beginning with a letter.")
]
HttpsPrefix = Annotated[
    str, Meta(pattern=r"^https://[^\s{}]+$", description="The https address of the button up to its variable.")
]


class Template(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An approved template: how many variables its text has, and the fixed part of its button's address.

    `untracked` is the key of the template to take instead for a link that does not begin so.
    """

    variables: Annotated[int, Meta(ge=0, le=50)] = 0
    button_prefix: HttpsPrefix | None = None
    untracked: Key | None = None


class WhatsAppConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`per_second` is each sender's, in each worker process: WhatsApp allows 80. `stop_buttons` are labels or payloads
    of buttons by which people stop marketing."""

    stop_buttons: tuple[str, ...] = ("Stop promotions", "STOP")
    per_second: Annotated[float, Meta(gt=0, le=1000)] = 80.0
    concurrency: Annotated[int, Meta(ge=1, le=100)] = 25
    timeout_s: Annotated[float, Meta(ge=0.1, le=15)] = 10.0


def check_base_url(base_url: str, example: str) -> None:
    """Raises ValueError where calls cannot or should not go there."""
    url = urlsplit(base_url)
    if not url.hostname or url.username or url.query or url.fragment:
        raise ValueError(f"base_url: give scheme and host, such as {example}")
    if url.scheme != "https" and not (url.scheme == "http" and url.hostname in _LOOPBACK):
        raise ValueError("base_url: must be https (http is allowed to this machine only)")


def check_templates(templates: Mapping[str, Template]) -> None:
    """Raises ValueError where nothing could be sent, or nothing instead."""
    if not templates:
        raise ValueError("templates: name at least one; WhatsApp takes nothing else to begin a conversation")
    strays = [key for key, each in templates.items() if each.untracked is not None and each.untracked not in templates]
    if strays:
        raise ValueError(f"templates.{strays[0]}.untracked: there is no template of this key")
