"""What a mail comes to, and what mailbox providers would hold against it."""

import re
from collections.abc import Iterator
from html import unescape
from typing import Final

from channels.email.mail import Mail
from channels.email.markup import MOST_TAGS, has_too_many_tags
from gateway.contract import Outbound, Weight

_CLIPPED_BYTES: Final = 102 * 1024
"""Gmail shows so much of a mail's HTML, and hides the rest behind a link; the unsubscribe link is often in there."""

_FEWEST_WORDS: Final = 5
"""Fewer words of text beside a picture, and filters take the HTML for one picture."""

_UNSEEN: Final = re.compile(r"<style\b.*?</style|<title\b.*?</title|<!--.*?-->|<[^>]*>", re.IGNORECASE | re.DOTALL)
_PICTURE: Final = re.compile(r"<img\b", re.IGNORECASE)


def weigh(message: Outbound, mail: Mail, *, inlines_css: bool) -> Weight:
    return Weight(
        unit="mail",
        encoding="utf-8",
        bytes=len(mail.content),
        warnings=tuple(_warnings(message, inlines_css=inlines_css)),
    )


def _warnings(message: Outbound, *, inlines_css: bool) -> Iterator[str]:
    text, html = message.parts["text"], message.parts.get("html")
    bodies = {"text": text} if html is None else {"text": text, "HTML": unescape(html)}
    for name, body in bodies.items():
        if message.unsubscribe_url is not None and message.unsubscribe_url not in body:
            yield f"the {name} does not show the unsubscribe link; write {{{{ unsubscribe_url }}}} where it belongs"
    if html is None:
        return
    size_bytes = len(html.encode("utf-8", "replace"))
    if size_bytes > _CLIPPED_BYTES:
        yield f"the HTML has {size_bytes // 1024} kB; Gmail clips it after {_CLIPPED_BYTES // 1024} kB"
    if _PICTURE.search(html) and len(_UNSEEN.sub(" ", html).split()) < _FEWEST_WORDS:
        yield "the HTML is a picture with hardly any text; spam filters distrust that, and many people see no pictures"
    if inlines_css and has_too_many_tags(html):
        yield f"the HTML has more than {MOST_TAGS} tags; its style sheet stays as it is"
