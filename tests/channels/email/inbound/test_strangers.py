"""Anybody can send us anything: it gives sound events or BadWebhook, soon, and never an event without an id of ours."""

import base64
import re
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channels.email.inbound import parts
from channels.email.inbound.ids import Ids
from channels.email.inbound.reading import Reader
from gateway.contract import BadWebhook, Heard, Inbound, ProviderEvent
from gateway.registry import reports
from tests.channels.email.inbound.conftest import ID, SAMPLES

READER = Reader(Ids({"bounce.shop.example"}, {"shop.example"}), {"people@shop.example"})
WHOLE = [path.read_bytes().replace(b"{id}", ID.encode()) for path in sorted(SAMPLES.glob("*.eml"))]
PIECES = sorted({line for mail in WHOLE for line in mail.splitlines(keepends=True)})
ODD = [
    b"\0",
    b"\r",
    b"\n",
    b"\n\n",
    b"=?utf-8?b?",
    b'"',
    b"<",
    b">",
    b"(",
    b"--",
    b"--sep--",
    b"\xff\xfe",
    "‮".encode(),
    b";",
]
EXAMPLES = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def heard_of(raw: bytes) -> list[Heard]:
    try:
        return READER.read(raw)
    except BadWebhook:
        return []


def assert_sound(raw: bytes) -> None:
    for told in heard_of(raw):
        reports.fit(told)
        if isinstance(told, ProviderEvent):
            assert told.message_id is not None
            assert re.fullmatch(r"[A-Za-z0-9_-]{16,80}", told.message_id)
        else:
            assert isinstance(told, Inbound)
            assert told.sender.count("@") == 1


@EXAMPLES
@given(st.binary(max_size=2000))
def test_any_bytes_are_read(raw: bytes) -> None:
    assert_sound(raw)


@EXAMPLES
@given(st.lists(st.sampled_from([*PIECES, *ODD]), max_size=60))
def test_lines_of_reports_in_any_order_are_read(lines: list[bytes]) -> None:
    assert_sound(b"".join(lines))


@EXAMPLES
@given(
    st.sampled_from(WHOLE),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), st.sampled_from([*ODD, b""])), min_size=1, max_size=8),
)
def test_mangled_reports_are_read(raw: bytes, changes: list[tuple[float, int, bytes]]) -> None:
    for at, cut, put in changes:
        place = int(at * len(raw))
        raw = raw[:place] + put + raw[place + cut :]
    assert_sound(raw)


HEADERS = st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=80)


@EXAMPLES
@given(HEADERS, HEADERS, HEADERS, HEADERS, st.text(max_size=500))
def test_letters_with_any_headers_are_read(sender: str, subject: str, date: str, kind: str, body: str) -> None:
    told = f"From: {sender}\nTo: people@shop.example\nSubject: {subject}\nDate: {date}\nContent-Type: {kind}\n\n{body}"
    assert_sound(told.encode())


@EXAMPLES
@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=400))
def test_any_status_and_any_diagnostic_are_read(status: str, action: str, diagnostic: str) -> None:
    fields = f"Reporting-MTA: dns; x\n\nAction: {action}\nStatus: {status}\nDiagnostic-Code: smtp; {diagnostic}\n"
    coded = base64.b64encode(fields.encode()).decode()
    assert_sound(
        f"To: b+{ID}@bounce.shop.example\nContent-Type: message/delivery-status\n"
        f"Content-Transfer-Encoding: base64\n\n{coded}\n".encode()
    )


MILLION = 999_000
HUGE: dict[str, Callable[[], bytes]] = {
    "one header": lambda: b"Subject: " + b"x" * MILLION + b"\n\n",
    "headers": lambda: b"a:\n" * (MILLION // 3),
    "folds": lambda: b"Subject: x\n" + b" y\n" * (MILLION // 3),
    "parameters": lambda: b"Content-Type: multipart/report" + b';a="' * (MILLION // 4) + b"\n\nx",
    "parts": lambda: b"Content-Type: multipart/mixed; boundary=s\n\n" + b"--s\n\nx\n" * (MILLION // 8),
    "nesting": lambda: b"".join(
        b"Content-Type: multipart/mixed; boundary=s%d\n\n--s%d\n" % (n, n) for n in range(MILLION // 60)
    ),
    "the same boundary inside": lambda: b"Content-Type: multipart/mixed; boundary=s\n\n--s\n" * (MILLION // 52),
    "hyphens": lambda: b"X-Failed-Recipients: a\n\n" + b"-" * MILLION,
    "lines of hyphens": lambda: b"X-Failed-Recipients: a\n\n" + b"-----\n" * (MILLION // 6),
    "quotes": lambda: b"From: a@b.example\nTo: people@shop.example\n\n" + b"On \n" * (MILLION // 4),
    "tags": lambda: (
        b"From: a@b.example\nTo: people@shop.example\nContent-Type: text/html\n\n" + b"<style " * (MILLION // 7)
    ),
    "comments": lambda: b"From: " + b"(" * MILLION + b"\nTo: people@shop.example\n\nx",
    "addresses": lambda: b"To: " + b"b+" * (MILLION // 2) + b"\n\nx",
    "encoded words": lambda: b"Subject: " + b"=?utf-8?q?" * (MILLION // 10) + b"\n\nx",
    "recipients": lambda: b"Content-Type: message/delivery-status\n\n" + b"Status: 5.1.1\n\n" * (MILLION // 15),
    "a diagnostic": lambda: (
        b"Content-Type: message/delivery-status\n\nX: y\n\nStatus: 5.0.0\nDiagnostic-Code: smtp; "
        + b"5.1.1.1." * (MILLION // 8)
    ),
    "base64": lambda: b"Content-Type: message/delivery-status\nContent-Transfer-Encoding: base64\n\n" + b"QQ==" * 9999,
    "references": lambda: b"References: " + b"<" * MILLION + b"\nTo: people@shop.example\n\nx",
}


@pytest.mark.parametrize("name", list(HUGE))
def test_what_is_made_to_take_long_is_read_too(name: str) -> None:
    """No clock is asked: a reader that is not linear takes minutes over these, and the run is stopped."""
    assert_sound(HUGE[name]())


def test_more_than_a_megabyte_is_not_read() -> None:
    with pytest.raises(BadWebhook, match="more than 1000000 bytes"):
        READER.read(b"Subject: x\n\n" + b"x" * parts.LARGEST_BYTES)


@pytest.mark.parametrize("raw", [b"", b"\n\n", b"no header here", b"\0" * 100])
def test_what_has_no_header_is_no_mail(raw: bytes) -> None:
    with pytest.raises(BadWebhook, match="not a mail"):
        READER.read(raw)


def test_only_so_many_levels_and_parts_are_taken_apart() -> None:
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=s%d\n\n--s%d\n" % (n, n) for n in range(50))
    assert sum(1 for _ in parts.take_apart(deep).walk()) < 12
    wide = b"Content-Type: multipart/mixed; boundary=s\n\n" + b"--s\n\nx\n" * 5000
    assert sum(1 for _ in parts.take_apart(wide).walk()) == 101


@pytest.mark.parametrize(
    "charset", ["utf-7", "idna", "punycode", "unicode_escape", "zlib", "base64", "undefined", "utf-8", "x-unknown", ""]
)
def test_no_charset_of_a_stranger_does_more_than_to_decode(charset: str) -> None:
    raw = f"Content-Type: text/plain; charset={charset}\n\ncaffè +ADw- \\x41".encode()
    assert parts.take_apart(raw).text() == "caffè +ADw- \\x41"
