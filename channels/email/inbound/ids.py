"""Which of our messages a mail is about, by the signed ids that it still carries."""

import re
from collections.abc import Collection, Iterable
from typing import Final

_ID: Final = r"[A-Za-z0-9_-]{16,80}"


class Ids:
    """Finds ids of ours in texts. Whether they are genuine, the gateway says: they are signed.

    `bounce_domains` are those of envelope senders (`b+<id>@`) and unsubscribe addresses (`u+<id>@`),
    `id_domains` those of our Message-IDs.
    """

    def __init__(self, bounce_domains: Collection[str], id_domains: Collection[str]) -> None:
        self._bounce = _pattern(r"(?<![\w.+-])b\+", bounce_domains)
        self._unsubscribe = _pattern(r"(?<![\w.+-])u\+", bounce_domains)
        self._message_id = _pattern(r"<", id_domains)
        self._bare = re.compile(rf"\s*<?({_ID})>?\s*")

    def in_bounce_address(self, texts: Iterable[str]) -> list[str]:
        """Those in envelope senders of ours (VERP), to which bounces go."""
        return _found(self._bounce, texts)

    def in_unsubscribe_address(self, texts: Iterable[str]) -> list[str]:
        return _found(self._unsubscribe, texts)

    def in_message_id(self, texts: Iterable[str]) -> list[str]:
        return _found(self._message_id, texts)

    def in_envelope_id(self, text: str) -> list[str]:
        """The ENVID that was given with the mail (RFC 3461 4.4): our id, and nothing else."""
        match = self._bare.fullmatch(text)
        return [match[1]] if match else []


def chosen(*found: Iterable[str]) -> str | None:
    """The first id of several places, the surest place first.

    Mail systems write addresses in lower case, which breaks an id; one that differs from it in nothing else is the
    same one, unbroken.
    """
    ids = [id for place in found for id in place]
    if not ids:
        return None
    same = [id for id in ids if id.lower() == ids[0].lower()]
    return next((id for id in same if id != id.lower()), ids[0])


def _pattern(before: str, domains: Collection[str]) -> re.Pattern[str]:
    names = "|".join(re.escape(domain) for domain in sorted(domains))
    # Without a domain nothing is ours.
    return re.compile(rf"{before}({_ID})@(?:{names})(?![\w.-]*\w)" if names else r"(?!)()", re.IGNORECASE)


def _found(pattern: re.Pattern[str], texts: Iterable[str]) -> list[str]:
    return [match[1] for text in texts for match in pattern.finditer(text)]
