"""The report as one page that needs nothing else: to be opened in a browser, kept, or sent on."""

import base64
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from email import message_from_bytes
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from gateway.demo.ledger import Ledger
from gateway.demo.postbag import Message
from gateway.demo.sheets import Sheet


def write_page(path: Path, ledger: Ledger, sheets: Iterable[Sheet], messages: Sequence[Message], card: bytes) -> None:
    """`messages` are what to take a sample mail in each language from, `card` is a PNG picture of the printed piece."""
    layout = Template((files(__package__) / "page.html").read_text("utf-8"))
    report = ledger.report
    page = layout.substitute(
        title=escape(report.name),
        job=escape(report.id),
        made_at=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        audience=f"{report.audience:,}",
        published=f"{ledger.published:,}",
        redeemed=f"{ledger.redeemed:,}",
        revenue=f"${ledger.order_minor / 100:,.2f}",
        tables="\n".join(_table(sheet) for sheet in sheets),
        card=base64.b64encode(card).decode(),
        mails="\n".join(_mail(message) for message in _one_in_each_language(messages)),
    )
    path.write_text(page, encoding="utf-8")


def _table(sheet: Sheet) -> str:
    head = _row(sheet, "th", sheet.headings)
    body = "\n".join(_row(sheet, "td", row) for row in sheet.rows)
    foot = f"<tfoot>{_row(sheet, 'td', sheet.total)}</tfoot>" if sheet.total else ""
    return (
        f"<h2>{escape(sheet.title)}</h2>\n"
        f'<div class="wide"><table>\n<thead>{head}</thead>\n<tbody>\n{body}\n</tbody>\n{foot}\n</table></div>'
    )


def _row(sheet: Sheet, tag: str, cells: Sequence[str]) -> str:
    written = (_cell(tag, cell, sheet.is_number(place)) for place, cell in enumerate(cells))
    return f"<tr>{''.join(written)}</tr>"


def _cell(tag: str, text: str, is_number: bool) -> str:
    kind = {"✓": "yes", "✗": "no"}.get(text, "number" if is_number else "")
    return f'<{tag} class="{kind}">{escape(text)}</{tag}>' if kind else f"<{tag}>{escape(text)}</{tag}>"


def _one_in_each_language(messages: Iterable[Message]) -> list[Message]:
    found: dict[str, Message] = {}
    for message in sorted(messages, key=lambda message: message.person.id):
        if message.file is not None:
            found.setdefault(message.person.locale[:2], message)
    return [found[language] for language in ("it", "ru", "en") if language in found]


def _mail(message: Message) -> str:
    """A frame of its own, without scripts: the mail as it came, apart from the page around it."""
    content = _html_of(message)
    return (
        f"<figure><figcaption>{escape(message.person.name)}, {escape(message.person.locale)}</figcaption>"
        f'<iframe sandbox title="A mail as it was received" srcdoc="{escape(content)}"></iframe></figure>'
    )


def _html_of(message: Message) -> str:
    if message.file is None:
        return ""
    for part in message_from_bytes(message.file.read_bytes()).walk():
        content = part.get_payload(decode=True)
        if part.get_content_type() == "text/html" and isinstance(content, bytes):
            return content.decode("utf-8")
    return ""
