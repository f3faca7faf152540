"""A content in several languages: acceptance, choice of the variant, whole messages."""

import pytest

from gateway.contract import Part
from gateway.domain.templates import (
    ChannelContent,
    CheckedContent,
    Content,
    JobNames,
    MissingValue,
    RecipientNames,
    RenderContext,
    TemplateInvalid,
    TemplateProblem,
    check_content,
    compile_content,
    pick_variant,
)

PARTS = {
    "subject": Part(kind="line", max_chars=40),
    "text": Part(kind="text"),
    "html": Part(kind="html", required=False),
    "image": Part(kind="url", required=False),
}


def problems(content: Content, default_locale: str = "it") -> list[TemplateProblem]:
    found = check_content(content, PARTS, default_locale)
    assert isinstance(found, list), "accepted"
    return found


def places(found: list[TemplateProblem]) -> list[tuple[str, str]]:
    return [(problem.pointer, problem.code) for problem in found]


def context(locale: str = "it-IT", name: str | None = "Anna") -> RenderContext:
    return RenderContext(recipient=RecipientNames(name=name), job=JobNames(name="j"), locale=locale)


@pytest.mark.parametrize(
    ("wanted", "picked"),
    [
        ("it-IT", "it-IT"),
        ("it-CH", "it"),
        ("it", "it"),
        ("it_it", "it-IT"),
        ("pt-BR", "pt-PT"),
        ("pt", "pt-PT"),
        ("sr-Latn-RS", "sr-Latn"),
        ("el", "en"),
        ("", "en"),
        ("i", "en"),
        ("xx-invalid-???", "en"),
    ],
)
def test_the_variant_nearest_to_the_recipients_locale_is_picked(wanted: str, picked: str) -> None:
    assert pick_variant(["en", "it", "it-IT", "pt-PT", "sr-Latn"], wanted, "en") == picked


def test_picking_from_variants_without_the_default_is_an_error() -> None:
    with pytest.raises(LookupError, match="default locale en"):
        pick_variant(["it"], "de", "en")


def test_an_accepted_content_tells_what_it_uses_over_all_variants() -> None:
    checked = check_content(
        {
            "it": {"subject": "Ciao {{ vars.nick }}", "text": '{{ track("https://b.example/") }}{{ coupon.code }}'},
            "en": {"subject": "Hi", "text": '{{ track("https://a.example/") }}{{ track("https://b.example/") }}'},
        },
        PARTS,
        "it",
    )
    assert checked == CheckedContent(
        uses_coupon=True,
        uses_unsubscribe_url=False,
        links=("https://a.example/", "https://b.example/"),
        links_by_locale={"en": (0, 1), "it": (1,)},
        variables=frozenset({"nick"}),
        attributes=frozenset(),
    )


def test_links_are_numbered_alike_however_the_mappings_are_ordered() -> None:
    texts = {"it": '{{ track("https://i.example/") }}', "en": '{{ track("https://e.example/") }}'}
    one = {locale: {"subject": "x", "text": texts[locale]} for locale in ("it", "en")}
    other = {locale: {"text": texts[locale], "subject": "x"} for locale in ("en", "it")}
    assert check_content(one, PARTS, "it") == check_content(other, PARTS, "it")


def test_problems_point_to_their_source() -> None:
    found = problems(
        {
            "it": {"subject": "{{ recipient.nmae }}", "text": "a\n{{ x }}", "fax": "?"},
            "en": {"subject": "Hi"},
            "it_IT": {"subject": "a", "text": "b"},
        },
        "de",
    )
    assert places(found) == [
        ("", "missing-locale"),
        ("/it_IT", "unknown-locale"),
        ("/en/text", "missing-part"),
        ("/it/fax", "unknown-part"),
        ("/it/subject", "unknown-field"),
        ("/it/text", "unknown-name"),
    ]


def test_a_blank_required_part_is_missing() -> None:
    assert places(problems({"it": {"subject": " \n", "text": "x"}})) == [("/it/subject", "missing-part")]


def test_fixed_text_beyond_the_channels_limit_is_refused_at_acceptance() -> None:
    assert places(problems({"it": {"subject": "x" * 41, "text": "x"}})) == [("/it/subject", "too-long")]
    assert isinstance(check_content({"it": {"subject": "x" * 40, "text": "x"}}, PARTS, "it"), CheckedContent)


@pytest.mark.parametrize("text", ["x" * 19_000, "{{ vars.x }}" * 190])
def test_a_content_is_limited_as_a_whole(text: str) -> None:
    variants = {f"x{chr(97 + n // 26)}{chr(97 + n % 26)}": {"subject": "x", "text": text} for n in range(60)}
    assert places(problems({**variants, "it": {"subject": "x", "text": "x"}})) == [("", "too-large")]
    del variants["xaa"]
    few = dict(list(variants.items())[:50])
    assert isinstance(check_content({**few, "it": {"subject": "x", "text": "x"}}, PARTS, "it"), CheckedContent)


def test_text_in_a_branch_does_not_count_as_fixed() -> None:
    subject = "{% if coupon %}" + "x" * 30 + "{% else %}" + "y" * 30 + "{% endif %}"
    assert isinstance(check_content({"it": {"subject": subject, "text": "x"}}, PARTS, "it"), CheckedContent)


def test_strange_names_are_escaped_in_pointers() -> None:
    assert ("/it/a~1b~0", "unknown-part") in places(problems({"it": {"subject": "a", "text": "b", "a/b~": "c"}}))


def compiled_two() -> ChannelContent:
    return ChannelContent(
        variants={
            "it": {"subject": "Ciao {{ recipient.name }}", "text": "testo", "html": "<p>{{ recipient.name }}</p>"},
            "en": {"subject": "Hi {{ recipient.name }}", "text": "text", "image": "{{ vars.image|default('') }}"},
        },
        parts=PARTS,
        default_locale="en",
    )


def test_a_message_has_the_parts_of_one_variant_and_no_empty_optional_ones() -> None:
    content = compile_content(compiled_two())
    italian, other = content.render(context("it-CH")), content.render(context("el"))
    assert (italian.locale, dict(italian.parts)) == (
        "it",
        {"subject": "Ciao Anna", "text": "testo", "html": "<p>Anna</p>"},
    )
    assert (other.locale, dict(other.parts)) == ("en", {"subject": "Hi Anna", "text": "text"})


def test_a_message_with_one_missing_value_is_not_rendered_at_all() -> None:
    with pytest.raises(MissingValue) as caught:
        compile_content(compiled_two()).render(context("it", name=None))
    assert (caught.value.part, caught.value.name) == ("html", "recipient.name")


def test_a_content_that_would_not_be_accepted_is_not_compiled() -> None:
    with pytest.raises(TemplateInvalid, match="/it/text: the channel needs the part text"):
        compile_content(ChannelContent(variants={"it": {"subject": "x"}}, parts=PARTS, default_locale="it"))
