"""Pieces that must not be printed, each named by its number and its reason."""

import re
from pathlib import Path

import msgspec
import pytest

from channels.postal.batch import export
from gateway.contract import Address, Piece, PieceRefused

replace = msgspec.structs.replace


def with_parts(message, **parts):
    return replace(message, parts={**message.parts, **parts})


def with_coupon(message, **changes):
    return replace(message, coupon=replace(message.coupon, **changes))


def with_lines(message, **lines):
    return replace(message, address=Address(kind="postal", value="", data={**message.address.data, **lines}))


@pytest.fixture
def refusal(exported, message, tmp_path):
    """Exports four cards, the third of them changed, and gives the refusal."""

    def run(change) -> PieceRefused:
        messages = [message(number) for number in range(1, 5)]
        messages[2] = change(messages[2])
        with pytest.raises(PieceRefused) as refused:
            exported(messages)
        assert not list(tmp_path.iterdir()), "a refused batch left files"
        return refused.value

    return run


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda message: replace(message, name="山田 太郎"), "addressee: .*U\\+5C71"),
        (lambda message: replace(message, name="Anna 🎉"), "addressee: .*U\\+1F389 PARTY POPPER"),
        (lambda message: replace(message, name="مريم الاختبار"), "addressee: .*ARABIC"),
        (lambda message: replace(message, name="נועה בדיקה"), "addressee: .*HEBREW"),
        (lambda message: with_lines(message, city="東京"), "address: .*U\\+6771"),
        (lambda message: with_parts(message, headline="Un caffè 🍰"), "headline: .*SHORTCAKE"),
        (lambda message: with_parts(message, body="Ciao\n👋"), "body: .*WAVING HAND"),
        (lambda message: with_parts(message, footer="☎ 800 000 000"), "footer: .*TELEPHONE"),
        (lambda message: with_coupon(message, title="5 € off 🎁"), "offer title: .*WRAPPED PRESENT"),
    ],
    ids=["cjk name", "emoji", "arabic", "hebrew", "cjk city", "headline", "body", "footer", "title"],
)
def test_a_character_that_the_typeface_lacks_is_refused_by_its_name(refusal, change, where):
    refused = refusal(change)
    assert (refused.sequence, refused.code) == (3, "missing-glyph")
    assert re.search(where, refused.detail)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda message: replace(message, name="Anna Prova " * 40), "address"),
        (lambda message: replace(message, name="A" * 400), "address"),
        (lambda message: with_lines(message, street="Via " + "lunghissima" * 9), "address"),
        (lambda message: with_parts(message, headline="W" * 80), "headline"),
        (lambda message: with_parts(message, body="a\n" * 400), "body"),
        (lambda message: with_parts(message, body="b" * 1200), "body"),
        (lambda message: with_parts(message, footer="MMMMM MMMMM " * 50), "footer"),
        (lambda message: with_coupon(message, title="sconto " * 60), "title"),
    ],
    ids=["400-char name", "one long word", "street", "headline", "many lines", "no spaces", "footer", "title"],
)
def test_a_text_too_long_for_its_place_is_refused(refusal, change, what):
    refused = refusal(change)
    assert (refused.sequence, refused.code) == (3, "overflow")
    assert what in refused.detail


@pytest.mark.parametrize(
    "change",
    [
        lambda message: replace(message, name=""),
        lambda message: with_lines(message, street=""),
        lambda message: with_lines(message, city=None),
        lambda message: with_lines(message, postcode=" "),
        lambda message: with_lines(message, country=""),
        lambda message: replace(message, address=Address(kind="postal", value="somewhere")),
    ],
    ids=["name", "street", "city", "postcode", "country", "all"],
)
def test_an_incomplete_address_is_refused(refusal, change):
    refused = refusal(change)
    assert (refused.sequence, refused.code) == (3, "address-incomplete")


@pytest.mark.parametrize("code", ["ÀÈÌ-2345", "with space", "", "X" * 18, "9" * 200])
def test_a_code_that_no_code_128_can_hold_is_refused(refusal, code):
    refused = refusal(lambda message: with_coupon(message, code=code))
    assert (refused.sequence, refused.code) == (3, "code-unprintable")


def test_the_same_code_twice_is_refused_even_written_otherwise(refusal, message):
    twin = message(1).coupon.code.replace("-", "")
    refused = refusal(lambda third: with_coupon(third, code=twin))
    assert (refused.sequence, refused.code) == (3, "duplicate-code")
    assert "piece 1" in refused.detail


def test_the_first_of_several_refused_pieces_is_named(exported, message):
    messages = [message(number) for number in range(1, 131)]
    for number in (129, 127, 128):
        messages[number - 1] = with_parts(messages[number - 1], body="a\n" * (300 + number))
    with pytest.raises(PieceRefused) as refused:
        exported(messages)
    assert refused.value.sequence == 127


def test_a_refusal_tells_nothing_of_the_person(refusal):
    refused = refusal(lambda message: replace(message, name="Segretissima 山田"))
    assert "Segretissima" not in str(refused)


def test_texts_that_just_fit_are_printed(exported, message):
    long_name = "Maria Francesca Alessandra Buonaventura della Torre di Esempio e Sant’Angelo in Prova"
    body = ("Abbiamo tenuto da parte il tuo tavolo preferito e un pensiero per te. " * 20)[:1200]
    files = exported([with_parts(message(1, name=long_name), body=body, headline="Torna a trovarci " * 4)])
    assert files["part0001.pdf"].records == 1


def test_a_voucher_code_of_sixteen_characters_still_fits(exported, message, scan):
    files = exported([with_coupon(message(1), code="WWWW2345MMMM-16W")])
    assert scan(files["part0001.pdf"].path)[0]["bars"] == "WWWW2345MMMM-16W"


@pytest.mark.parametrize(
    ("ticket_changes", "sequences", "fault"),
    [
        ({"pieces": 3}, [1, 2], "3 pieces, got 2"),
        ({}, [1, 3], "piece 3 stands where 2"),
        ({}, [2, 1], "piece 2 stands where 1"),
        ({}, [1, 1], "piece 1 stands where 2"),
        ({}, [], "got 0"),
        ({"id": "../evil"}, [1, 2], "batch id"),
        ({"id": "a b"}, [1, 2], "batch id"),
    ],
    ids=str,
)
def test_pieces_that_are_not_the_tickets_are_a_fault_of_the_caller(
    config, ticket, message, tmp_path: Path, ticket_changes, sequences, fault
):
    pieces = [Piece(sequence=sequence, message=message(number)) for number, sequence in enumerate(sequences, 1)]
    with pytest.raises(ValueError, match=fault):
        export(config(), replace(ticket(len(pieces)), **ticket_changes), pieces, tmp_path)
