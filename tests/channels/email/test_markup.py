"""The last touches to HTML: style sheets in tags, and the picture that tells of opens."""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from channels.email import EmailConfig
from channels.email.mail import Composer
from channels.email.markup import MOST_TAGS, css_inliner, with_picture
from gateway.contract import Outbound

pytest.importorskip("css_inline", reason="needs css-inline: pip install 'risveglio[html]'")

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
URL = "https://gateway.example/o/AbC?a=1&b=2"
PICTURE = '<img src="https://gateway.example/o/AbC?a=1&amp;b=2" width="1" height="1" alt="">'

Config = Callable[..., EmailConfig]
Message = Callable[..., Outbound]


def html_of(config: EmailConfig, message: Outbound) -> str:
    read = message_from_bytes(Composer(config).mail(message, AT).content, policy=policy.SMTPUTF8)
    html = read.get_body(("html",))
    assert html is not None
    return html.get_content()


@pytest.mark.parametrize(
    ("html", "finished"),
    [
        ("<p>Ciao</p>", f"<p>Ciao</p>{PICTURE}"),
        ("<body><p>Ciao</p></body></html>", f"<body><p>Ciao</p>{PICTURE}</body></html>"),
        ("<BODY>İİİ</BODY >", f"<BODY>İİİ{PICTURE}</BODY >"),
        ("<!-- </body> --><body>x</body>", f"<!-- </body> --><body>x{PICTURE}</body>"),
        ("", PICTURE),
    ],
)
def test_the_picture_stands_at_the_end_of_the_body(html: str, finished: str) -> None:
    assert with_picture(html, URL) == finished


def test_a_mail_has_the_picture_only_where_somebody_may_ask(config: Config, outbound: Message) -> None:
    asked, unasked = outbound("eleni@example.com", open_url=URL), outbound("eleni@example.com")
    assert PICTURE in html_of(config(), asked)
    assert "<img" not in html_of(config(), unasked)


def test_a_mail_without_html_has_no_picture(config: Config, outbound: Message) -> None:
    message = outbound("eleni@example.com", open_url=URL, parts={"subject": "Ciao", "text": "Ciao"})
    assert b"AbC?a" not in Composer(config()).mail(message, AT).content


STYLED = """<html><head><style>p { color: #333 } @media (max-width: 600px) { p { color: red } }</style></head>
<body><p>Ciao Δήμητρα, 1 &lt; 2 &amp; ci manchi 🎟</p><!--[if mso]><p>Outlook</p><![endif]--></body></html>"""


def test_a_style_sheet_is_written_into_the_tags_and_kept_for_what_cannot_be(config: Config, outbound: Message) -> None:
    parts = {"subject": "Ciao", "text": "Ciao", "html": STYLED}
    html = html_of(config(inline_css=True), outbound("eleni@example.com", parts=parts, open_url=URL))
    assert '<p style="color: #333;">Ciao Δήμητρα, 1 &lt; 2 &amp; ci manchi 🎟</p>' in html
    assert "@media (max-width: 600px)" in html
    assert "<!--[if mso]><p>Outlook</p><![endif]-->" in html
    assert html.index(PICTURE) < html.index("</body>")


def test_styles_stay_where_they_are_unless_they_are_to_be_inlined(config: Config, outbound: Message) -> None:
    parts = {"subject": "Ciao", "text": "Ciao", "html": STYLED}
    read = html_of(config(), outbound("eleni@example.com", parts=parts)).replace("\r\n", "\n").rstrip("\n")
    assert read == STYLED


def test_no_file_and_no_address_is_read_for_a_style_sheet(tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.css"
    sheet.write_text("p { color: #123456 }")
    links = [f'<link rel="stylesheet" href="{href}">' for href in (sheet.as_uri(), str(sheet), "http://127.0.0.1:9/x")]
    imports = [f'<style>@import url("{href}");</style>' for href in (sheet.as_uri(), str(sheet))]
    for head in (*links, *imports):
        html = css_inliner()(f"<html><head><style>b {{ x: y }}</style>{head}</head><body><p>x</p></body></html>")
        assert "#123456" not in html
        assert "<p>x</p>" in html


@pytest.mark.parametrize("tag", ["<b>", "<div>", "<table><td>", "<b a=1><i>", "<svg>", "<ul><li>"])
def test_no_html_ends_the_process(tag: str) -> None:
    """In a process of its own: a stack that runs over cannot be caught."""
    program = (
        "from channels.email.markup import css_inliner, MOST_TAGS\n"
        "for most in (MOST_TAGS - 2, MOST_TAGS * 20):\n"
        f"    tag = {tag!r}\n"
        "    print(len(css_inliner()('<style>b { x: y }</style>' + tag * (most // tag.count('<')))))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    small, large = map(int, done.stdout.split())
    assert small < large


def test_html_of_too_many_tags_comes_back_as_it_was() -> None:
    html = "<style>p { color: red }</style>" + "<p>x</p>" * (MOST_TAGS // 2)
    assert css_inliner()(html) == html
