"""Pieces that must not be printed, each named by its number and its reason."""

import re

import msgspec
import pytest

from gateway.contract import Address, Piece, PiecesRefused, Refusal

replace = msgspec.structs.replace


def with_parts(message, **parts):
    return replace(message, parts={**message.parts, **parts})


def with_coupon(message, **changes):
    return replace(message, coupon=replace(message.coupon, **changes))


def with_lines(message, **lines):
    return replace(message, address=Address(kind="postal", value="", data={**message.address.data, **lines}))


@pytest.fixture
def refusals(parts_of, config, ticket, tmp_path):
    """Prints messages as one part, and gives what is refused."""

    def run(messages, **settings) -> list[Refusal]:
        pieces = [Piece(sequence=number, message=message) for number, message in enumerate(messages, 1)]
        with pytest.raises(PiecesRefused) as refused:
            parts_of(config(**settings), ticket(), pieces, tmp_path / "prints")
        assert not list((tmp_path / "prints").glob("*")), "a refused part left files"
        return list(refused.value.refusals)

    return run


@pytest.fixture
def refusal(refusals, message):
    """Prints four pieces, the third of them changed, and gives its refusal."""

    def run(change, **settings) -> Refusal:
        messages = [message(number) for number in range(1, 5)]
        messages[2] = change(messages[2])
        [refused] = refusals(messages, **settings)
        return refused

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


def test_all_refused_pieces_of_a_part_are_named_in_one_go(refusals, message):
    messages = [message(number) for number in range(1, 231)]
    for number in (5, 128, 129):
        messages[number - 1] = with_parts(messages[number - 1], body="a\n" * (300 + number))
    messages[6] = replace(messages[6], name="山田")
    messages[219] = with_parts(with_coupon(messages[219], title="sconto " * 60), headline="W" * 80)
    found = [(each.sequence, each.code) for each in refusals(messages)]
    assert found == [(number, "missing-glyph" if number == 7 else "overflow") for number in (5, 7, 128, 129, 220)]


def test_a_piece_with_several_texts_too_long_is_refused_once_for_all_of_them(refusals, message):
    worst = with_parts(with_coupon(message(1), title="sconto " * 60), headline="W" * 80)
    [refused] = refusals([worst])
    assert refused.detail.startswith("headline, title: too long")


def test_a_refusal_tells_nothing_of_the_person(refusal):
    refused = refusal(lambda message: replace(message, name="Segretissima 山田"))
    assert "Segretissima" not in refused.detail


@pytest.mark.parametrize("design", ["card-a5", "postcard-a6", "card-dl", "letter-a4"])
def test_a_name_of_four_hundred_characters_is_refused_in_every_format(refusal, design):
    refused = refusal(lambda message: replace(message, name="A" * 400), design=design)
    assert (refused.sequence, refused.code) == (3, "overflow")


@pytest.mark.parametrize("design", ["card-a5", "postcard-a6", "card-dl", "letter-a4"])
def test_texts_that_just_fit_are_printed_in_every_format(parts_of, config, ticket, message, tmp_path, design):
    long_name = "Maria Francesca Alessandra Buonaventura della Torre di Esempio e Sant’Angelo in Prova"
    body = ("Abbiamo tenuto da parte il tuo tavolo preferito e un pensiero per te. " * 20)[:400]
    changed = with_parts(message(1, name=long_name), body=body, headline="Torna a trovarci " * 4)
    [part] = parts_of(config(design=design), ticket(), [Piece(sequence=1, message=changed)], tmp_path)
    assert part.files[0].records == 1


def test_the_longest_body_fits_a_card_and_a_letter(parts_of, config, ticket, message, tmp_path):
    body = ("Abbiamo tenuto da parte il tuo tavolo preferito e un pensiero per te. " * 20)[:1200]
    for design in ("card-a5", "letter-a4"):
        piece = Piece(sequence=1, message=with_parts(message(1), body=body))
        [part] = parts_of(config(design=design), ticket(), [piece], tmp_path / design)
        assert part.files[0].records == 1


def test_a_voucher_code_of_sixteen_characters_still_fits(exported, message, scan):
    files = exported([with_coupon(message(1), code="WWWW2345MMMM-16W")])
    assert scan(files["part0001.pdf"].path)[0]["bars"] == "WWWW2345MMMM-16W"


def test_a_partners_long_code_is_printed_by_a_design_without_bars(exported, message, scan, tmp_path):
    folder = tmp_path / "designs"
    folder.mkdir()
    (folder / "partner.toml").write_text('format = "card-a5"\nhide = ["bars"]\n')
    partners = with_coupon(message(1), code="PARTNER-2027-ABCDEFGH-7", url=None)
    files = exported([partners], designs=folder, design="partner")
    assert scan(files["part0001.pdf"].path) == [{"qr": "PARTNER-2027-ABCDEFGH-7"}]


@pytest.mark.parametrize(
    ("design", "code", "told"),
    [("spring", "unknown-design", "'spring'"), ("postcard-a6", "other-format", "card-a5")],
)
def test_a_piece_of_another_design_says_what_is_wrong_with_it(refusal, design, code, told):
    refused = refusal(lambda message: with_parts(message, design=design))
    assert (refused.sequence, refused.code) == (3, code)
    assert told in refused.detail


def test_a_design_with_a_fault_refuses_its_own_pieces(refusal, tmp_path):
    folder = tmp_path / "designs"
    folder.mkdir()
    (folder / "spring.toml").write_text('format = "card-a5"\nhide = ["footer"]\n')
    refused = refusal(lambda message: with_parts(message, design="spring"), designs=folder)
    assert (refused.sequence, refused.code) == (3, "bad-design")
    assert "spring.toml: hide" in refused.detail


def test_a_name_that_we_cannot_print_is_no_fault_where_the_print_shop_writes_it(
    parts_of, config, ticket, message, tmp_path
):
    (tmp_path / "shop.toml").write_text('format = "postcard-a6"\naddress_mode = "by_provider"\n')
    piece = Piece(sequence=1, message=replace(message(1), name="山田 太郎"))
    [part] = parts_of(config(designs=tmp_path, design="shop"), ticket(), [piece], tmp_path / "prints")
    assert part.files[0].records == 1


@pytest.mark.parametrize("footer", ["", " \n\u200b\n"])
def test_a_piece_without_its_objection_line_is_refused(refusal, footer):
    refused = refusal(lambda message: with_parts(message, footer=footer))
    assert (refused.sequence, refused.code) == (3, "footer-missing")
