"""What an author is told when a template is handed in."""

from collections.abc import Sequence

import pytest

from gateway.domain.templates import Checked, Kind, TemplateProblem, check


def accepted(source: str, kind: Kind = "text", known: frozenset[str] = frozenset()) -> Checked:
    found = check(source, kind, known)
    assert isinstance(found, Checked), found
    return found


def problems(source: str, kind: Kind = "text") -> Sequence[TemplateProblem]:
    found = check(source, kind)
    assert isinstance(found, list), f"accepted: {source[:80]}"
    assert found
    return found


def test_a_template_tells_what_it_uses() -> None:
    checked = accepted(
        """Ciao {{ recipient.name }} di {{ vars.city }}, {{ vars["shop"] }}, {{ plan }}!
        {{ recipient.attributes.tier|default("base") }} {{ recipient.attributes["last shop"]|default("") }}
        {% if coupon %}{{ coupon.code }}{% endif %} {{ unsubscribe_url }}""",
        known=frozenset({"plan", "unused"}),
    )
    assert checked.variables == {"city", "shop", "plan"}
    assert checked.attributes == {"tier", "last shop"}
    assert checked.uses_coupon
    assert checked.uses_unsubscribe_url


def test_a_template_that_uses_neither_coupon_nor_unsubscribe_url_says_so() -> None:
    checked = accepted("Ciao {{ recipient.name }}")
    assert not checked.uses_coupon
    assert not checked.uses_unsubscribe_url


def test_links_are_collected_once_each_in_the_order_of_the_source() -> None:
    checked = accepted(
        '{{ track("https://b.example/") }} {% if coupon %}{{ track("https://a.example/?x=1&y=2") }}{% endif %}'
        '{{ track("https://b.example/") }}'
    )
    assert checked.links == ("https://b.example/", "https://a.example/?x=1&y=2")


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("{{ recipient.name", 1),
        ("Ciao\n\n{% if coupon %}x", 3),
        ("a\n{{ 1 + }}", 2),
        ("{% nonsense %}", 1),
        ("{{ }}", 1),
    ],
)
def test_a_syntax_error_names_its_line(source: str, line: int) -> None:
    [problem] = problems(source)
    assert (problem.code, problem.line) == ("syntax", line)


def test_a_misspelt_field_is_an_error_with_a_suggestion() -> None:
    [problem] = problems("Ciao\n{{ recipient.nmae }}")
    assert (problem.code, problem.line) == ("unknown-field", 2)
    assert "did you mean name?" in problem.message


@pytest.mark.parametrize(
    "source", ['{{ coupon["valid_til"] }}', "{{ job.id }}", "{{ sender.key }}", "{{ coupon.offer }}"]
)
def test_the_fields_of_every_known_name_are_checked(source: str) -> None:
    assert [problem.code for problem in problems(source)] == ["unknown-field"]


def test_an_unknown_name_is_an_error_with_a_suggestion() -> None:
    [problem] = problems("{% if true %}\n{{ cuopon.code }}{% endif %}")
    assert (problem.code, problem.line) == ("unknown-name", 2)
    assert "did you mean coupon?" in problem.message


def test_a_variable_of_the_job_may_be_written_without_vars_only_when_it_is_known() -> None:
    accepted("{{ città }}", known=frozenset({"città"}))
    assert [problem.code for problem in problems("{{ città }}")] == ["unknown-name"]


def test_every_problem_is_reported_at_once() -> None:
    found = problems("{{ recipient.nmae }}\n{{ coupon.cod }}\n{{ vars.x|nope }}")
    assert [(problem.code, problem.line) for problem in found] == [
        ("unknown-field", 1),
        ("unknown-field", 2),
        ("unknown-filter", 3),
    ]


@pytest.mark.parametrize(
    "source",
    [
        '{% include "x" %}',
        '{% import "x" as x %}',
        '{% from "x" import y %}',
        '{% extends "x" %}',
        "{% block x %}{% endblock %}",
        "{% macro x() %}{% endmacro %}",
        "{% call track() %}{% endcall %}",
        "{% filter upper %}x{% endfilter %}",
        "{% set x %}y{% endset %}",
        "{% set vars.x = 1 %}",
        "{% set recipient = vars %}",
        "{% set _x = 1 %}",
        "{% for vars in vars.list %}{% endfor %}",
        "{% with x = 1 %}{% endwith %}",
        "{% autoescape false %}{% endautoescape %}",
        "{% for x in [1, 2] %}{% endfor %}",
        "{% for x in 'abc' %}{% endfor %}",
        "{% for x in range(10) %}{% endfor %}",
        "{% for x in vars.tree recursive %}{% endfor %}",
        "{% for a in vars.l %}{% for b in a %}{% for c in b %}{% endfor %}{% endfor %}{% endfor %}",
        "{{ 'x' if coupon }}",
        "{{ {'a': 1} }}",
        "{{ vars.x|join(*vars.args) }}",
        "{{ vars.x|date('tomorrow') }}",
        "{{ vars.x|time('full') }}",
        "{{ vars.x|money('EURO') }}",
        "{{ vars.x|money }}",
        "{{ vars.x|upper(1, 2) }}",
        "{{ vars.x is callable }}",
        "{{ vars.x|safe }}",
        "{{ vars.x|attr('y') }}",
        "{{ vars.x|map('upper') }}",
        "{{ vars.x|format(1) }}",
        "{{ vars.x|tojson }}",
        "{{ self }}",
        "{{ loop.index }}",
        "{{ track }}",
        "{{ vars.url|track }}",
        "a\x00b",
    ],
)
def test_what_is_not_allowed_is_refused_at_acceptance(source: str) -> None:
    assert problems(source)


@pytest.mark.parametrize(
    "call",
    [
        "track(vars.url)",
        "track('https://a.example/' ~ coupon.code)",
        "track()",
        "track('https://a.example/', 1)",
        "track(url='https://a.example/')",
        "track(*vars.urls)",
        "track(12)",
        "track('javascript:alert(1)')",
        "track('//evil.example/')",
        "track('/relative')",
        "track('https://user@evil.example/')",
        "track('https://shop.example@evil.example/')",
        "track('https:///path')",
        "track('https://a.example/a b')",
        "track('https://a.example\\\\@evil.example/')",
        "track('https://a.example:99999/')",
        "track('ftp://a.example/')",
        "track('https://a.example/\\n')",
    ],
)
def test_track_takes_one_written_web_address_only(call: str) -> None:
    assert [problem.code for problem in problems("{{ " + call + " }}")] == ["bad-link"]


@pytest.mark.parametrize(("kind", "most"), [("line", 20_000), ("text", 20_000), ("url", 20_000), ("html", 200_000)])
def test_a_source_has_a_largest_size_in_bytes(kind: Kind, most: int) -> None:
    accepted("à" * (most // 2), kind)
    assert [problem.code for problem in problems("à" * (most // 2) + "x", kind)] == ["too-large"]


@pytest.mark.parametrize(
    "source",
    [
        "{{ " + "(" * 6000 + "1" + ")" * 6000 + " }}",
        "{{ " + "not " * 4000 + "true }}",
        "{{ " + "1 + " * 4000 + "1 }}",
        "{% if true %}" * 700 + "{% endif %}" * 700,
        "{{ " + "[" * 100 + "]" * 100 + " }}",
        "{{ " + "-" * 15_000 + "1 }}",
        "{{ vars" + ".a" * 5000 + " }}",
        "{{ vars.x" + "|upper" * 2000 + " }}",
        "{% if vars.a %}" + "{% elif vars.a %}" * 999 + "{% endif %}",
        "{{ " + " ~ ".join(["1"] * 20_000) + " }}",
        "{{ 1" + "0" * 10_000 + " }}",
        "{{ 1" + "0" * 400 + ".0 }}{{ 1e999 }}" + "{{" * 10,
        "{{a}}" * 1001,
    ],
)
def test_a_template_too_deep_or_too_rich_is_refused_and_does_no_harm(source: str) -> None:
    assert problems(source, "html")


def test_expressions_of_everyday_use_are_accepted() -> None:
    accepted(
        """{% set who = recipient.name|trim|title %}{{ who if who else "amico" }}
        {% for p in vars.products[:3] if p.price > 3 %}{{ loop.index }}. {{ p.name }} {% else %}-{% endfor %}
        {{ vars.total * 2 - 1 }} {{ "a" ~ vars.x ~ "b" }} {{ vars.x is defined and vars.x in ["a", "b"] }}
        {{ coupon.valid_until|date }} {{ coupon.valid_until|date("short") }} {{ vars.at|time }}
        {{ vars.n|money("EUR") }} {{ vars.n|percent }} {{ vars.n|number }} {{ vars.n|round(2) }}
        {{ vars.names|join(", ") }} {{ vars.names|first }} {{ vars.names|length }} {# a remark #}
        {% raw %}{{ as it is }}{% endraw %} {{ sender.name }} {{ job.name }} {{ recipient.name|urlencode }}"""
    )
