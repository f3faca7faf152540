"""MJML templates: their expressions come through whole, and nothing in them can harm the process."""

import subprocess
import sys
from html.parser import HTMLParser

import pytest
from jinja2 import Environment

from gateway.contract import Part
from gateway.domain.templates import (
    ChannelContent,
    Checked,
    CouponNames,
    JobNames,
    RecipientNames,
    RenderContext,
    TemplateProblem,
    check,
    compile_part,
)
from gateway.domain.templates.mail_markup import to_html
from gateway.rendering import RenderBatch, Rendered, RenderPool

pytest.importorskip("mjml", reason="needs mjml-python: pip install 'risveglio[html]'")

NEWSLETTER = """
<mjml>
  <mj-head>
    <mj-title>Ciao {{ recipient.name }}</mj-title>
    <mj-preview>{{ vars.teaser }}</mj-preview>
    <mj-style>.big { font-weight: bold } @media (max-width: 400px) { .big { color: red } }</mj-style>
  </mj-head>
  <mj-body>
    {# for those who have one #}
    {% if coupon %}
    <mj-section><mj-column>
      <mj-text>Ciao {{ recipient.name }}, {{ "}} > %}" if 1 < 2 else '<b>' }} &amp; <i>basta</i>
        {%- for item in vars.wishes %} <b>{{ item }}</b>{% endfor %}</mj-text>
      {% for item in vars.wishes %}
      <mj-button href="{{ track("https://shop.example/a?x=1&y=2") }}" css-class="{{ vars.look }}">{{ item }}</mj-button>
      {% endfor %}
      <mj-image src="https://shop.example/a.png" alt="{{ coupon.title }}" />
      <!-- {{ recipient.name }} -->
    </mj-column></mj-section>
    {% else %}
    <mj-section><mj-column><mj-text>Niente oggi, Żaneta</mj-text></mj-column></mj-section>
    {% endif %}
    <mj-wrapper>{% raw %}{{ as it is }}{% endraw %}
      <mj-section>{% if coupon %}<mj-column><mj-text>a</mj-text></mj-column>{% endif %}</mj-section>
    </mj-wrapper>
    <mj-section><mj-column><mj-table><tr>{% for n in vars.wishes %}<td>{{ n }}</td>{% endfor %}</tr></mj-table>
    <mj-text><a href="{{ unsubscribe_url }}">Basta</a></mj-text></mj-column></mj-section>
  </mj-body>
</mjml>
"""
HTML = Part(kind="html", max_chars=100_000)


def context(coupon: CouponNames | None) -> RenderContext:
    return RenderContext(
        recipient=RecipientNames(name="Δήμητρα <x>"),
        job=JobNames(name="j"),
        locale="it",
        vars={"teaser": "Torna", "look": "big", "wishes": ["caffè", "чай & co"]},
        coupon=coupon,
        unsubscribe_url="https://gateway.example/u/1",
        links={0: "https://gateway.example/c/1"},
    )


def rendered(coupon: CouponNames | None) -> str:
    return compile_part(NEWSLETTER, "html", HTML, "it").render(context(coupon))


class Seen(HTMLParser):
    """What a reader of the HTML sees: texts, the links, and the descriptions of pictures."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.links: list[str | None] = []
        self.alts: list[str | None] = []
        self.feed(html)

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(" ".join(data.split()))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "a":
            self.links.append(found.get("href"))
        if tag == "img":
            self.alts.append(found.get("alt"))


def test_expressions_come_through_in_texts_attributes_and_between_elements() -> None:
    html = rendered(CouponNames(code="ABCD", title='-10 % "oggi"'))
    seen = Seen(html)
    assert seen.links == ["https://gateway.example/c/1"] * 2 + ["https://gateway.example/u/1"]
    assert seen.alts == ['-10 % "oggi"']
    assert seen.texts.count("caffè") == seen.texts.count("чай & co") == 3
    assert "Ciao Δήμητρα <x>, }} > %} &" in seen.texts
    assert html.count('class="big"') == 2
    assert "<title>Ciao Δήμητρα &lt;x&gt;</title>" in html
    assert "{{ as it is }}" in html
    assert "jinja" not in html
    assert "mj-raw" not in html


def test_a_branch_around_sections_leaves_them_out() -> None:
    html = rendered(None)
    assert "Niente oggi, Żaneta" in html
    assert "caffè" in html
    assert 'class="big"' not in html
    assert Seen(html).alts == []


def test_what_it_uses_is_known_when_it_is_accepted() -> None:
    checked = check(NEWSLETTER, "html")
    assert isinstance(checked, Checked)
    assert checked.uses_coupon
    assert checked.uses_unsubscribe_url
    assert checked.links == ("https://shop.example/a?x=1&y=2",)
    assert checked.variables == {"teaser", "wishes", "look"}


def test_it_names_no_fonts_from_elsewhere() -> None:
    html = rendered(None)
    assert "fonts.googleapis" not in html
    assert "<link" not in html


def body(inner: str) -> str:
    return f"<mjml><mj-body><mj-section><mj-column>{inner}</mj-column></mj-section></mj-body></mjml>"


FAULTS = {
    "unclosed": ("<mjml>\n<mj-body>\n<mj-section></mj-body></mjml>", "mjml", "unexpected end of stream", None),
    "unknown element": (body("\n\n<mj-txt>x</mj-txt>"), "mjml", "there is no element <mj-txt>", 3),
    "a file": (body("\n<mj-include path='/etc/passwd' />"), "mjml", "unable to load included template", 2),
    "an unknown name": (body("\n\n<mj-text>{{ nobody }}</mj-text>"), "unknown-name", "nobody", 3),
    "an open expression": (body("<mj-text>{{ recipient.name </mj-text>"), "syntax", "", 1),
    "a value in a style": (body("<mj-text color='{{ vars.c }}'>x</mj-text>"), "unsafe-html", "no expressions", None),
    "a value in a sheet": (
        "<mjml><mj-head><mj-style>{{ vars.c }}</mj-style></mj-head></mjml>",
        "unsafe-html",
        "",
        None,
    ),
    "an attribute's name": (body("<mj-button {{ vars.c }}='x'>x</mj-button>"), "unsafe-html", "", 1),
    "a script": (body("<mj-raw><script>x</script></mj-raw>"), "unsafe-html", "<script>", 1),
    "javascript": (body("<mj-button href='javascript:x'>x</mj-button>"), "unsafe-html", "javascript:", 1),
}


@pytest.mark.parametrize(("source", "code", "told", "line"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_told_with_the_authors_line(source: str, code: str, told: str, line: int | None) -> None:
    found = check(source, "html")
    assert isinstance(found, list), "accepted"
    assert found[0].code == code
    assert told in found[0].message
    assert found[0].line == line


DEEP = [
    *("<b></x>", "<b a='>'>", "<!--><b>", "<!--->", "<b\n>", "<b:c>", "<b.c>", "<é>", "<_b>", "<BR>", "<b a/b>"),
    *("<b><!--</b>-->", "<b><b></b>", "<col>", "{{ 1 }}<b>", "<mj-raw>", "{# <!-- #}<b>", "<b {{ '>' }}>"),
]


_PROGRAM = """
import sys
from jinja2 import Environment
from gateway.domain.templates.mail_markup import to_html

frame, *elements = sys.stdin.read().split("\\0")
for element in elements:
    for close in ("", "-->"):
        print(repr(element), type(to_html(frame.replace("@", element * 20_000 + close), Environment())).__name__)
"""


def test_no_depth_ends_the_process() -> None:
    """In a process of its own: a stack that runs over cannot be caught."""
    asked = "\0".join([body("<mj-text>@</mj-text>"), *DEEP])
    done = subprocess.run([sys.executable, "-c", _PROGRAM], input=asked, capture_output=True, text=True)
    answers = done.stdout.splitlines()
    assert done.returncode == 0, answers[-1:] + done.stderr.splitlines()
    assert len(answers) == 2 * len(DEEP)
    assert {answer.rpartition(" ")[2] for answer in answers} <= {"str", "TemplateProblem"}


def test_as_deep_as_a_mail_is_in_earnest_is_taken() -> None:
    nested = "<table><tr><td>" * 30 + "x" + "</td></tr></table>" * 30
    assert isinstance(to_html(body(f"<mj-text>{nested}</mj-text>"), Environment()), str)


def test_a_template_may_hold_the_words_that_stand_for_its_expressions() -> None:
    html = to_html(body("<mj-text>jinja0x jinjaj0x {{ a }}</mj-text>"), Environment())
    assert isinstance(html, str)
    assert "jinja0x jinjaj0x {{ a }}" in html


def test_html_that_only_mentions_mjml_stays_as_it_is() -> None:
    source = "<p>&lt;mjml> {{ recipient.name }}</p><!-- <mjml> -->"
    assert compile_part(source, "html", HTML, "it").render(context(None)).startswith("<p>&lt;mjml> Δ")


def test_mjml_in_a_text_part_is_text() -> None:
    assert isinstance(check("<mjml>", "text"), Checked)


def test_a_missing_package_is_said_kindly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mjml", None)
    problem = to_html(NEWSLETTER, Environment())
    assert isinstance(problem, TemplateProblem)
    assert "pip install 'risveglio[html]'" in problem.message


async def test_a_confined_worker_renders_it() -> None:
    content = ChannelContent(variants={"it": {"html": NEWSLETTER}}, parts={"html": HTML}, default_locale="it")
    async with RenderPool(processes=1) as pool:
        (result,) = await pool.render(RenderBatch(content=content, contexts=(context(None),)))
    assert isinstance(result, Rendered)
    assert result.parts["html"] == rendered(None)
