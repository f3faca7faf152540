"""What comes out of a template for one recipient."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contract import Part
from gateway.domain.templates import (
    CouponNames,
    JobNames,
    Kind,
    MissingValue,
    RecipientNames,
    RenderContext,
    RenderRefused,
    SenderNames,
    compile_part,
)


def context(name: str | None = "Maria", **changes: Any) -> RenderContext:
    given: dict[str, Any] = {
        "recipient": RecipientNames(name=name, external_id="c-1", locale="it-IT", attributes={"tier": "oro"}),
        "job": JobNames(name="risveglio"),
        "locale": "it-IT",
        "zone": "Europe/Rome",
    }
    return RenderContext(**{**given, **changes})


def render(source: str, kind: Kind = "text", /, known: frozenset[str] = frozenset(), **changes: Any) -> str:
    part = Part(kind=kind, max_chars=100_000)
    return compile_part(source, "body", part, "it", known).render(context(**changes))


NAMES = [
    "Niccolò D'Angelo",
    "Żaneta Źdźbło-Łącka",
    "Александра Ёлкина",
    "Γεώργιος Παπαδόπουλος",
    "محمد بن سلمان",
    "שָׁלוֹם כֹּהֵן",
    "李小龍",
    "👩‍👩‍👧‍👦 Família 🏴󠁧󠁢󠁳󠁣󠁴󠁿",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["line", "text", "html"])
def test_names_of_all_alphabets_come_out_as_they_are(kind: Kind, name: str) -> None:
    assert (
        render("Ciao {{ recipient.name }}!", kind, name=name)
        == f"Ciao {name.replace(chr(39), '&#39;') if kind == 'html' else name}!"
    )


@pytest.mark.parametrize(
    ("name", "titled"),
    [
        ("MARIO ROSSI", "Mario Rossi"),
        ("niccolò d'angelo", "Niccolò D'Angelo"),
        ("dell’orto anna-maria", "Dell’Orto Anna-Maria"),
        ("don't", "Don't"),
        ("ЁЛКИНА АННА", "Ёлкина Анна"),
        ("ΓΕΩΡΓΙΟΣ ΠΑΠΑΔΟΠΟΥΛΟΣ", "Γεωργιος Παπαδοπουλος"),
        ("ŻANETA ŹDŹBŁO", "Żaneta Źdźbło"),
        ("rene\u0301e", "Renée"),
    ],
)
def test_the_title_filter_knows_names(name: str, titled: str) -> None:
    assert render("{{ recipient.name|title }}", name=name) == titled


def test_every_name_of_the_context_can_be_used() -> None:
    text = render(
        "{{ recipient.external_id }} {{ recipient.attributes.tier }} {{ vars.city }} {{ city }} {{ job.name }} "
        "{{ coupon.code }} {{ coupon.title }} {{ sender.name }} {{ unsubscribe_url }} {{ preferences_url }}",
        known=frozenset({"city"}),
        vars={"city": "Łódź"},
        coupon=CouponNames(code="ABCD-EFGH-JKMN", title="-10 %"),
        sender=SenderNames(name="Bottega"),
        unsubscribe_url="https://r.example/u/1",
        preferences_url="https://r.example/p/1",
    )
    assert text == (
        "c-1 oro Łódź Łódź risveglio ABCD-EFGH-JKMN -10 % Bottega https://r.example/u/1 https://r.example/p/1"
    )


def test_a_variable_cannot_take_the_place_of_a_name_of_the_gateway() -> None:
    assert render("{{ recipient.name }}", vars={"recipient": {"name": "altro"}, "(run)": 1}) == "Maria"


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("{{ vars.city }}", "vars.city"),
        ("{{ vars['city'] }}", "vars['city']"),
        ("{{ recipient.attributes.born|date }}", "recipient.attributes.born"),
        ("{{ recipient.country }}", "recipient.country"),
        ("{{ recipient.country|upper }}", "recipient.country"),
        ("{{ coupon.code }}", "coupon"),
        ("{{ unsubscribe_url }}", "unsubscribe_url"),
        ("{{ preferences_url }}", "preferences_url"),
        ("{{ city }}", "city"),
        ("{% for p in vars.list %}{{ p.name }}{{ p.price }}{% endfor %}", "p.price"),
        ("{{ vars.list[0].price }}", "vars.list[0].price"),
        ("{{ vars.list[7].name }}", "vars.list[7]"),
        ("{{ vars.deep.er.still }}", "vars.deep"),
        ("{% for p in vars.nothing %}{% endfor %}", "vars.nothing"),
        ("{% if vars.nothing %}{% endif %}", "vars.nothing"),
        ("{{ 1 + vars.nothing }}", "vars.nothing"),
        ("{{ 'a' ~ vars.nothing }}", "vars.nothing"),
        ("{{ vars.null * 2 }}", "vars.null"),
        ("{{ vars.nothing|money('EUR') }}", "vars.nothing"),
        ("{{ vars.nothing|join }}", "vars.nothing"),
        ("{{ vars.nothing|length }}", "vars.nothing"),
        ("{{ vars.nothing|first }}", "vars.nothing"),
        ("{{ vars.nothing[:3] }}", "vars.nothing"),
        ("{% set x = vars.nothing %}{{ x }}", "vars.nothing"),
        ("{{ vars.nothing > 3 }}", "vars.nothing"),
        ("{{ vars.nothing in ['a'] }}", "vars.nothing"),
    ],
)
def test_a_missing_value_is_named_as_the_author_wrote_it(source: str, name: str) -> None:
    with pytest.raises(MissingValue) as caught:
        render("\n" + source, known=frozenset({"city"}), vars={"list": [{"name": "Sedia"}], "null": None})
    assert (caught.value.name, caught.value.part, caught.value.line) == (name, "body", 2)


def test_a_null_is_false_and_takes_a_default_but_is_never_printed() -> None:
    source = "{% if vars.x %}a{% else %}b{% endif %}{{ vars.x|default('c') }}{% if vars.x is none %}d{% endif %}"
    assert render(source, vars={"x": None}) == "bcd"
    assert render("{% if vars.x == 'IT' %}a{% else %}b{% endif %}", vars={"x": None}) == "b"


def test_a_message_without_a_coupon_can_ask_for_one() -> None:
    assert render("{% if coupon %}{{ coupon.code }}{% else %}niente{% endif %}") == "niente"


@pytest.mark.parametrize(
    "source",
    [
        "{{ vars.yes }}",
        "{{ vars.list }}",
        "{{ recipient }}",
        "{{ vars.day }}",
        "{{ vars.list|first }}",
        "{{ none }}",
        "{{ true }}",
        "{{ [1] }}",
        "{{ 1 == 1 }}",
    ],
)
@pytest.mark.parametrize("kind", ["line", "text", "html"])
def test_what_only_a_program_would_print_is_refused(kind: Kind, source: str) -> None:
    with pytest.raises(RenderRefused):
        render(source, kind, vars={"yes": True, "list": [[1]], "day": datetime(2026, 1, 1, tzinfo=UTC)})


def test_a_refusal_says_where_and_never_quotes_the_value() -> None:
    with pytest.raises(RenderRefused) as caught:
        render("a\nb {{ vars.secret|number }}", vars={"secret": "bianchi@example.org"})
    assert (caught.value.part, caught.value.line) == ("body", 2)
    assert "bianchi" not in str(caught.value)


@pytest.mark.parametrize(
    "source", ["{{ 1 // vars.zero }}", "{{ vars.zero < 'a' }}", "{{ -vars.text }}", "{{ vars.zero[:2] }}"]
)
def test_an_expression_that_python_refuses_is_a_refusal(source: str) -> None:
    with pytest.raises(RenderRefused, match=r"an expression cannot be worked out"):
        render(source, vars={"zero": 0, "text": "x"})


def test_links_are_tracked_by_their_place() -> None:
    source = '{{ track("https://a.example/") }} {{ track("https://b.example/") }} {{ track("https://a.example/") }}'
    links = {0: "https://r.example/c/0", 1: "https://r.example/c/1"}
    assert render(source, links=links) == "https://r.example/c/0 https://r.example/c/1 https://r.example/c/0"


def test_links_stay_as_written_where_tracking_is_off() -> None:
    assert render('{{ track("https://a.example/?a=1&b=2") }}', links=None) == "https://a.example/?a=1&b=2"


def test_a_link_without_a_tracked_address_is_refused_not_sent_untracked() -> None:
    with pytest.raises(RenderRefused, match="link 0"):
        render('{{ track("https://a.example/") }}', links={})


def test_the_gateways_own_addresses_must_be_web_addresses() -> None:
    with pytest.raises(RenderRefused):
        render("ciao", unsubscribe_url="javascript:alert(1)")
    with pytest.raises(RenderRefused):
        render("ciao", preferences_url="javascript:alert(1)")
    with pytest.raises(RenderRefused):
        render("ciao", links={0: "data:text/html,x"})


def test_a_line_has_no_line_ends_whatever_the_values_hold() -> None:
    hostile = "Maria\r\nBcc: all@example.org\u2028x\u2029y\x85z\x0b\x0cw"
    assert render("Ciao\n  {{ recipient.name }} \n", "line", name=hostile) == "Ciao Maria Bcc: all@example.org x y z w"


@pytest.mark.parametrize(
    "control", ["\x00", "\x07", "\x1b", "\x1f", "\x7f", "\x9b", "\u202e", "\u2066", "\ufff9", "\uffff"]
)
def test_a_line_with_a_control_or_direction_character_is_refused(control: str) -> None:
    with pytest.raises(RenderRefused, match=f"U\\+{ord(control):04X}"):
        render("Ciao {{ recipient.name }}", "line", name=f"Ma{control}ria")


@pytest.mark.parametrize("kind", ["text", "html"])
def test_a_body_drops_controls_and_direction_changes_from_values_and_keeps_line_ends(kind: Kind) -> None:
    assert render("a {{ recipient.name }}", kind, name="M\x00a\x07r\u202ei\u2066a\n\tR\x9b.") == "a Maria\n\tR."


def test_a_text_has_one_kind_of_line_end() -> None:
    assert render("a\r\nb {{ recipient.name }}", name="c\r\nd\re\u2028f") == "a\nb c\nd\ne\nf"


def test_a_text_is_not_escaped() -> None:
    assert render("{{ recipient.name }}", name="Tom & <Jerry>") == "Tom & <Jerry>"


@pytest.mark.parametrize("url", ["https://img.example/ä?x=1#y", "http://a.example:8080/"])
def test_a_url_part_takes_absolute_web_addresses(url: str) -> None:
    assert render(" {{ vars.u }}\n", "url", vars={"u": url}) == url


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "//a.example/",
        "/a",
        "a",
        "https://",
        "https://u:p@a.example/",
        "https://a.example/ b",
        "ftp://a.example/",
    ],
)
def test_a_url_part_refuses_everything_else(url: str) -> None:
    with pytest.raises(RenderRefused):
        render("{{ vars.u }}", "url", vars={"u": url})


def test_a_part_longer_than_the_channel_takes_is_refused_not_cut() -> None:
    part = compile_part("{{ recipient.name }}", "title", Part(kind="line", max_chars=10), "it")
    assert part.render(context(name="żółwżółwżó")) == "żółwżółwżó"
    with pytest.raises(RenderRefused, match="11 characters; the channel takes 10"):
        part.render(context(name="żółwżółwżół"))


def test_a_required_part_that_comes_out_empty_is_refused() -> None:
    with pytest.raises(RenderRefused, match="empty"):
        render(" {{ recipient.name }} ", name="")


def test_a_coupon_leads_to_its_own_page_also_from_a_link() -> None:
    part = compile_part('<a href="{{ coupon.url }}">−10 %</a>', "html", Part(kind="html"), "it")
    coupon = CouponNames(code="A", title="B", url="https://gateway.example.com/r/ABCD/1ABC")
    assert part.render(context(coupon=coupon)) == '<a href="https://gateway.example.com/r/ABCD/1ABC">−10 %</a>'
    with pytest.raises(RenderRefused, match="not a web address"):
        part.render(context(coupon=CouponNames(code="A", title="B", url="javascript:alert(1)")))


def test_formats_follow_the_recipients_locale_and_zone() -> None:
    coupon = CouponNames(code="A", title="B", valid_until=datetime(2026, 1, 31, 23, 30, tzinfo=UTC))
    source = "{{ coupon.valid_until|date }} {{ coupon.valid_until|time }}"
    assert render(source, coupon=coupon, zone="Europe/Rome") == "1 febbraio 2026 00:30"
    assert render(source, coupon=coupon, zone="America/New_York") == "31 gennaio 2026 18:30"


def test_equal_instants_in_two_zones_keep_their_own_dates() -> None:
    part = compile_part("{{ coupon.valid_until|date('short') }}", "body", Part(kind="text"), "it")
    coupon = CouponNames(code="A", title="B", valid_until=datetime(2026, 1, 31, 23, 30, tzinfo=UTC))
    shown = [part.render(context(coupon=coupon, zone=zone)) for zone in ("Europe/Rome", "UTC", "Pacific/Apia", "UTC")]
    assert shown == ["01/02/26", "31/01/26", "01/02/26", "31/01/26"]


@pytest.mark.parametrize(
    ("locale", "text"),
    [
        ("it-IT", "1 marzo 2026 | 1.234,50 € | 15%"),
        ("de", "1. März 2026 | 1.234,50 € | 15 %"),
        ("pl", "1 marca 2026 | 1 234,50 € | 15%"),
        ("ru", "1 марта 2026 г. | 1 234,50 € | 15 %"),
        ("el", "1 Μαρτίου 2026 | 1.234,50 € | 15%"),
        ("en-US", "March 1, 2026 | €1,234.50 | 15%"),
    ],
)
def test_dates_and_numbers_are_written_as_in_the_language(locale: str, text: str) -> None:
    source = "{{ vars.on|date }} | {{ vars.n|money('EUR') }} | {{ vars.p|percent }}"
    part = compile_part(source, "body", Part(kind="text"), locale)
    assert part.render(context(locale=locale, vars={"on": "2026-03-01", "n": "1234.50", "p": 0.15})) == text


def test_a_recipient_with_another_language_gets_the_dates_of_the_text_they_read() -> None:
    assert render("{{ '2026-03-01'|date }}", locale="fi") == "1 marzo 2026"
    assert render("{{ '2026-03-01'|date }}", locale="no such locale") == "1 marzo 2026"


DATED = compile_part("{{ '2026-03-01T10:00:00Z'|date }} {{ 5|money('EUR') }}", "body", Part(kind="text"), "it")


@given(locale=st.text(max_size=12) | st.from_regex(r"[a-zA-Z_@.-]{1,12}", fullmatch=True))
def test_any_text_does_for_a_locale(locale: str) -> None:
    assert DATED.render(context(locale=locale)).startswith("1 marzo 2026 ")


@pytest.mark.parametrize(
    "zone", ["Europe", "Europe/Nowhere", "", "/etc/passwd", "../UTC", "\x00", "\ud800", "x" * 5000]
)
def test_a_zone_that_does_not_exist_is_refused(zone: str) -> None:
    with pytest.raises(RenderRefused, match="time zone"):
        DATED.render(context(zone=zone))


def test_only_html_keeps_unbreakable_spaces_since_one_would_cost_an_sms_its_alphabet() -> None:
    assert render("{{ vars.n|money('EUR') }}", vars={"n": 5}) == "5,00 €"
    assert render("{{ vars.n|money('EUR') }}", "html", vars={"n": 5}) == "5,00\u00a0€"


@pytest.mark.parametrize("value", ["1E+999999999", 10**15, "nan", "inf", "abc", True, "1" * 50, [1]])
def test_a_number_filter_refuses_what_is_no_reasonable_number(value: Any) -> None:
    with pytest.raises(RenderRefused):
        render("{{ vars.n|money('EUR') }}", vars={"n": value})


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ vars.l|join }}", "a, b, 3"),
        ("{{ vars.l|first }}{{ vars.l|last }}{{ vars.l|length }}", "a33"),
        ("{{ 'abc def'|truncate(6) }}|{{ 'abc'|truncate(3) }}|{{ 'abcdef'|truncate(4) }}", "abc…|abc|abc…"),
        ("{{ ' x '|trim }}{{ 'aBC'|capitalize }}{{ 'a-b'|replace('-', '+') }}", "xAbca+b"),
        ("{{ 'è & co'|urlencode }}", "%C3%A8%20%26%20co"),
        ("{{ 2.567|round(1) }} {{ 2.5|round }} {{ 3|round }}", "2.6 2 3"),
        ("{{ ''|default('x') }}{{ ''|default('y', true) }}", "y"),
        ("{% for x in vars.l %}{{ loop.index }}{{ x }}{% if not loop.last %};{% endif %}{% endfor %}", "1a;2b;33"),
        ("{% for k in vars.d %}{{ k }}={{ vars.d[k] }} {% endfor %}", "items=1"),
        ("{{ vars.d.items }}", "1"),
        ("{{ 7 % 4 }} {{ 2 ** 10 }} {{ '-' * 3 }} {{ 'a' + 'b' }} {{ 1 ~ 'x' }}", "3 1024 --- ab 1x"),
        ("{{ recipient.name[0] }}{{ recipient.name[1:3] }}", "Mar"),
    ],
)
def test_filters_and_operators_do_what_they_say(source: str, text: str) -> None:
    assert render(source, vars={"l": ["a", "b", 3], "d": {"items": 1}}) == text
