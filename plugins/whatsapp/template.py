"""A message as WhatsApp takes it: an approved template, and what goes into it."""

from collections.abc import Mapping
from typing import Final, Protocol

from msgspec import Struct

from gateway.contract import Outbound, Part, PermanentFailure

PARTS: Final = {
    "template": Part(kind="line", max_chars=64),
    "variables": Part(kind="text", required=False, max_chars=4096),
    "link": Part(kind="url", required=False, max_chars=2048),
}

_LONGEST_CHARS: Final = 1024
"""Of a template's text, filled in: https://developers.facebook.com/docs/whatsapp/message-templates/guidelines"""


class Approved(Protocol):
    """An approved template of either provider; `languages` gives what the provider calls it in each."""

    @property
    def variables(self) -> int: ...
    @property
    def button_prefix(self) -> str | None: ...
    @property
    def untracked(self) -> str | None: ...
    @property
    def languages(self) -> Mapping[str, str]: ...


class Filled(Struct, frozen=True, kw_only=True):
    """`key` is the template's in our configuration, `version` the provider's word for it in the language.

    `suffix` is what follows the fixed part of the button's address.
    """

    key: str
    version: str
    variables: tuple[str, ...]
    suffix: str | None


class WrongLink(PermanentFailure):
    """The link does not begin as the button's address does. In a preview none is tracked yet."""


def filled(templates: Mapping[str, Approved], message: Outbound) -> Filled:
    """Raises PermanentFailure where the template is not known, or the message does not fit it."""
    key, link = message.parts["template"].strip(), message.parts.get("link")
    template = templates.get(key)
    if template is None:
        raise PermanentFailure("no-such-template", "[channels.whatsapp.templates] has no template of this key")
    if template.untracked is not None and not _leads_on(template.button_prefix, link):
        key, template = template.untracked, templates[template.untracked]
    return Filled(
        key=key,
        version=_version(template, message.locale),
        variables=_variables(template, message.parts.get("variables", "")),
        suffix=_suffix(template, link),
    )


def _version(template: Approved, locale: str) -> str:
    language = locale.replace("_", "-")
    for wanted in (language, language.partition("-")[0], "*"):
        if wanted in template.languages:
            return template.languages[wanted]
    raise PermanentFailure("no-such-language", "the template is approved in no language for this person")


def _variables(template: Approved, text: str) -> tuple[str, ...]:
    # WhatsApp refuses line breaks, tabs and more than four spaces inside a value.
    values = tuple(" ".join(line.split()) for line in text.splitlines())
    if len(values) != template.variables:
        raise PermanentFailure(
            "wrong-variables", f"`variables` has {len(values)} lines; the template has {template.variables} variables"
        )
    if empty := [number for number, value in enumerate(values, start=1) if not value]:
        raise PermanentFailure("empty-variable", f"line {empty[0]} of `variables` is empty, which WhatsApp refuses")
    if sum(map(len, values)) > _LONGEST_CHARS:
        raise PermanentFailure("too-long", f"WhatsApp takes {_LONGEST_CHARS} characters, template and variables")
    return values


def _suffix(template: Approved, link: str | None) -> str | None:
    prefix = template.button_prefix
    if prefix is None and link is None:
        return None
    if prefix is None:
        raise PermanentFailure("no-button", "`link` is given, but the template has no button_prefix")
    if link is None:
        raise PermanentFailure("no-link", "the template's button needs a `link`")
    if not _leads_on(prefix, link):
        raise WrongLink("wrong-link", "`link` must begin with the template's button_prefix, and go on: is it tracked?")
    return link.removeprefix(prefix)


def _leads_on(prefix: str | None, link: str | None) -> bool:
    return prefix is not None and link is not None and link.startswith(prefix) and link != prefix
