"""Templates and values that mean harm: code injection, exhaustion, markup."""

import html
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contract import Part
from gateway.domain.templates import (
    JobNames,
    Kind,
    MissingValue,
    RecipientNames,
    RenderContext,
    RenderRefused,
    TemplateInvalid,
    check,
    compile_part,
)

# From public collections of server-side template injections, with the names that exist here.
INJECTIONS = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ recipient.__class__ }}",
    "{{ recipient['__class__'] }}",
    "{{ recipient.name.__class__.__base__ }}",
    "{{ recipient.name['__cla' ~ 'ss__'] }}",
    "{{ vars|attr('__class__') }}",
    "{{ vars|map(attribute='__class__')|list }}",
    "{{ vars['\\x5f\\x5fclass\\x5f\\x5f'] }}",
    "{{ vars.x.format(vars) }}",
    "{{ '{0.__class__}'.format(vars) }}",
    "{{ vars.x.format_map(vars) }}",
    "{{ '%s' % vars }}",
    "{{ config }}",
    "{{ config.items() }}",
    "{{ request.application.__globals__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ self.__init__.__globals__ }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ joiner.__init__.__globals__ }}",
    "{{ namespace.__init__.__globals__ }}",
    "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "{{ get_flashed_messages.__globals__ }}",
    "{{ url_for.__globals__ }}",
    "{{ range(10) }}",
    "{{ dict() }}",
    "{{ dict.mro() }}",
    "{{ track.__globals__ }}",
    "{{ track.__call__('https://a.example/') }}",
    "{{ track('https://a.example/').__class__ }}",
    "{{ (track)('https://a.example/').upper() }}",
    "{{ ().__class__.__bases__[0] }}",
    "{{ [].append(1) }}",
    "{{ {}.update(a=1) }}",
    "{{ 1.__class__ }}",
    "{{ true.__class__ }}",
    "{{ vars.items() }}",
    "{{ vars.list.pop() }}",
    "{{ vars.clear() }}",
    "{{ environment }}",
    "{{ context }}",
    "{{ undefined }}",
    "{{ missing }}",
    "{{ caller() }}",
    "{{ varargs }}",
    "{{ resolve('x') }}",
    "{{ _ }}",
    "{{ __builtins__ }}",
    "{{ __import__('os') }}",
    "{% for x in ().__class__.__base__.__subclasses__() %}{% endfor %}",
    "{% for x in vars.list %}{{ loop.__class__ }}{% endfor %}",
    "{% for x in vars.list %}{{ loop.cycle('a') }}{% endfor %}",
    "{% for x in vars.list %}{{ loop(vars) }}{% endfor %}",
    "{% for x in vars.list %}{{ loop._iterator.gi_frame }}{% endfor %}",
    "{% for x in vars.list %}{{ loop.depth0 }}{% endfor %}",
    "{% set x = cycler %}{{ x }}",
    "{% if ''.__class__ %}{% endif %}",
    "{% set ns = namespace(a=1) %}{% set ns.a = 2 %}",
    "{% do vars.clear() %}",
    "{% debug %}",
    "{% print(1) %}{{ vars.__len__() }}",
    "{{ vars.x|select('__class__') }}",
    "{{ vars.x|xmlattr }}",
    "{{ vars.x|pprint }}",
    "{{ vars.x|string }}",
    "{{ vars.x|list }}",
    "{{ vars.x|groupby('__class__') }}",
    "{{ vars.x|sum(attribute='__class__') }}",
    "{{ vars.x is filter }}",
    "{{ recipient.name.upper }}",
    "{{ vars.list.append }}",
    "{{ vars.keys }}",
]


def context(name: str = "Maria", **given: Any) -> RenderContext:
    return RenderContext(recipient=RecipientNames(name=name), job=JobNames(name="j"), locale="it", **given)


def render(source: str, kind: Kind = "text", **given: Any) -> str:
    return compile_part(source, "body", Part(kind=kind, max_chars=500_000), "it").render(context(**given))


@pytest.mark.parametrize("kind", ["text", "html"])
@pytest.mark.parametrize("source", INJECTIONS)
def test_an_injection_is_refused_or_finds_nothing(source: str, kind: Kind) -> None:
    with pytest.raises((TemplateInvalid, MissingValue, RenderRefused)):
        render(source, kind, vars={"x": "{0.__class__}", "list": [1, 2]})


@pytest.mark.parametrize("source", INJECTIONS)
def test_an_injection_in_a_value_stays_text(source: str) -> None:
    assert render("{{ recipient.name }}", name=source) == source


def test_no_builtin_of_jinja_is_left() -> None:
    for name in ("range", "dict", "lipsum", "cycler", "joiner", "namespace"):
        assert isinstance(check("{{ " + name + " }}", "text"), list), name


BOMBS = [
    "{{ 'x' * 10**9 }}",
    "{{ 'x' * 1000000000 }}",
    "{{ 1000000000 * 'x' }}",
    "{{ 10 ** 10 ** 10 }}",
    "{{ 9 ** 999999999 }}",
    "{{ (2 ** 62) * (2 ** 62) }}",
    "{{ 2.0 ** 64 }}",
    "{{ 1.0 * vars.huge * vars.huge }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ '%s' % 1 }}",
    "{{ vars.x|center(1000000000) }}",
    "{{ vars.x|indent(1000000000) }}",
    "{{ vars.big|replace('x', 'yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy') }}",
    "{{ ''|replace('', vars.big) ~ vars.big|replace('', vars.big) }}",
    "{{ vars.list|join(vars.big) }}",
    "{{ [vars.big, vars.big, vars.big]|join(vars.big) }}",
    "{{ 1|round(1000000000) }}",
    "{{ 15|round(-1000000000) }}",
    "{{ vars.exponent|money('EUR') }}",
    "{{ " + "9" * 400 + ".5 }}",
    "{{ vars.exponent|number }}",
    "{% set a = vars.big %}" + "{% set a = a ~ a %}" * 40 + "{{ a }}",
    "{% set a = vars.big %}" + "{% set a = a + a %}" * 40 + "{{ a }}",
    "{% set a = [1] %}" + "{% set a = a + a %}" * 40,
    "{% set a = [1] %}" + "{% set a = a * 1000 %}" * 10,
    "{% set a = [1] %}" + "{% set a = [a, a] %}" * 40 + "{{ a }}",
    "{% for a in vars.list %}{% for b in vars.list %}{% endfor %}{% endfor %}",
    "{% for a in vars.list if false %}{% endfor %}" * 11,
    "{% for a in vars.list %}{{ vars.big }}{% endfor %}",
]


@pytest.mark.parametrize("kind", ["line", "text", "html"])
@pytest.mark.parametrize("source", BOMBS)
def test_a_bomb_is_refused_before_it_goes_off(source: str, kind: Kind) -> None:
    hoard = {"big": "x" * 50_000, "list": [1] * 1_000, "exponent": "1E+999999999", "x": "x", "huge": 1e18}
    # The word after it: a bomb that goes off in silence must not pass for an empty message.
    with pytest.raises((TemplateInvalid, RenderRefused)):
        render(source + "word", kind, vars=hoard)


def test_the_output_of_a_part_has_a_largest_size() -> None:
    with pytest.raises(RenderRefused, match="more than 100000 characters"):
        render("{% for a in vars.list %}{{ vars.big }}{% endfor %}", vars={"list": [1] * 30, "big": "x" * 5000})


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ('<a href="javascript:alert(1)">x</a>', "javascript"),
        ('<a href=" java\nscript:alert(1)">x</a>', "javascript"),
        ('<a href="&#106;avascript:alert(1)">x</a>', "javascript"),
        ("<A HREF='JavaScript:{{ vars.x }}'>x</A>", "javascript"),
        ('<img src="data:image/png;base64,AAAA">', "data"),
        ('<img srcset="https://a.example/1.png 1x, data:x 2x">', "data"),
        ('<form action="vbscript:x">', "vbscript"),
        ('<a href="file:///etc/passwd">', "file"),
        ("<a href={{ vars.x }}>x</a>", "quotes"),
        ("<td width={{ vars.x }}>x</td>", "quotes"),
        ('<a onclick="track()">x</a>', "event handlers"),
        ("<img src='https://a.example/' OnError='x'>", "event handlers"),
        ('<p style="color: {{ vars.x }}">x</p>', "style"),
        ("<style>p { color: {{ vars.x }} }</style>", "style"),
        ("<{{ vars.x }}>", None),
        ("<p {{ vars.x }}>", "cannot be read"),
        ("<p {{ vars.x }}='y'>", "cannot be read"),
        ("<script>x</script>", "<script>"),
        ("<ScRiPt src='https://a.example/'></script>", "<script>"),
        ("<iframe src='https://a.example/'></iframe>", "<iframe>"),
        ("<object></object><embed>", "<object>"),
        ("<base href='https://a.example/'>", "<base>"),
        ("<meta http-equiv='refresh' content='0;url=https://a.example/'>", "redirect"),
    ],
)
def test_markup_in_which_a_value_could_become_code_is_refused_at_acceptance(source: str, message: str | None) -> None:
    found = check("<p>\n" + source, "html")
    if message is None:
        # `<` before an expression opens no tag: the value is escaped and stays text.
        assert render(source, "html", vars={"x": "script>"}) == "<script&gt;>"
        return
    assert isinstance(found, list), "accepted"
    assert message in found[0].message
    assert (found[0].code, found[0].line) == ("unsafe-html", 2)


@pytest.mark.parametrize(
    "source",
    [
        '<a href="{{ track("https://a.example/") }}" title="{{ recipient.name }}">x</a>',
        "<a href='{{ unsubscribe_url }}'>x</a> <a href='{{ preferences_url }}'>y</a>",
        '<a href="https://a.example/?n={{ recipient.name|urlencode }}">x</a>',
        '<a href="mailto:info@example.org">x</a> <a href="tel:+390200000000">y</a> <img src="cid:logo">',
        '<!--[if mso]><v:rect href="https://a.example/" {% if coupon %}fill="true"{% endif %}><![endif]-->',
        '<td{% if coupon %} class="x"{% endif %} width=100 nowrap>{{ recipient.name }}</td>',
        "<p style='color:{% if coupon %}red{% else %}blue{% endif %}'>a < b && c > d</p><br/>",
        "<style>@media (max-width: 600px) { a > b { color: red } }</style><title>{{ recipient.name }}</title>",
        "<!-- {{ recipient.name }} <script> -->",
    ],
)
def test_markup_of_everyday_use_is_accepted(source: str) -> None:
    assert not isinstance(check(source, "html"), list)


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        " javascript:alert(1)",
        "java\nscript:alert(1)",
        "\x01javascript:alert(1)",
        "java\tscript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:x",
        "file:///etc/passwd",
        "blob:x",
    ],
)
@pytest.mark.parametrize(
    "source",
    [
        '<a href="{{ vars.u }}">x</a>',
        "<a class=x HREF = ' {{ vars.u }}'>x</a>",
        '<img src="{{ vars.u }}/logo.png">',
        '<a href="{% if true %}{{ vars.u }}{% endif %}">x</a>',
        '<a href="{% if false %}https:{% endif %}{{ vars.u }}">x</a>',
        '<img srcset="https://a.example/ 1x, {{ vars.u }} 2x">',
    ],
)
def test_a_value_cannot_give_an_address_a_forbidden_scheme(source: str, url: str) -> None:
    with pytest.raises(RenderRefused, match="address start with"):
        render(source, "html", vars={"u": url})


def test_two_values_cannot_put_a_forbidden_scheme_together() -> None:
    with pytest.raises(RenderRefused, match="javascript"):
        render('<a href="{{ vars.a }}{{ vars.b }}">x</a>', "html", vars={"a": "java", "b": "script:x"})


@pytest.mark.parametrize(
    "url", ["https://a.example/?a=1&b=2", "http://a.example/", "mailto:a@example.org", "tel:+39", "cid:x"]
)
def test_a_value_may_be_an_address_of_an_allowed_scheme(url: str) -> None:
    assert render('<a href="{{ vars.u }}">x</a>', "html", vars={"u": url}) == f'<a href="{html.escape(url)}">x</a>'


class Tags(HTMLParser):
    """The tags and attributes that a reader of the message would see, and its text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, tuple[str, ...]]] = []
        self.titles: list[str | None] = []
        self.text = ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, tuple(name for name, _ in attrs)))
        self.titles += [value for name, value in attrs if name == "title"]

    def handle_data(self, data: str) -> None:
        self.text += data


MARKUP = ["<script>", "</p>", "-->", "<!--", "]]>", "&lt;", "{{", "}}", "{%", "onload=", "\x00", "\u202e"]
hostile = st.text() | st.lists(st.sampled_from([*"<>\"'&;=/ \n", *MARKUP])).map("".join)

PAGE = """<p title="{{ recipient.name }}">{{ recipient.name }}|{{ recipient.name|upper }}|{{ "a" ~ recipient.name }}|
{{ recipient.name|replace("a", "<") }}|{% for x in vars.l %}<i title='{{ x }}'>{{ x|title }}</i>{% endfor %}</p>"""
PAGE_PART = compile_part(PAGE, "html", Part(kind="html", max_chars=500_000), "it")


@given(name=hostile)
def test_a_hostile_name_never_adds_markup(name: str) -> None:
    rendered = PAGE_PART.render(context(name, vars={"l": [name, name]}))
    assert re.sub(r"</?[pi]( title=(\"[^\"<>]*\"|'[^'<>]*'))?>", "", rendered).count("<") == 0
    assert Tags(rendered).seen == [("p", ("title",)), ("i", ("title",)), ("i", ("title",))]


@given(name=st.text(st.characters(categories=["L", "M", "N", "P", "S", "Zs"]), min_size=1))
def test_a_name_without_controls_is_read_as_it_was_given(name: str) -> None:
    page = Tags(PAGE_PART.render(context(name, vars={"l": []})))
    assert page.titles == [name]
    assert page.text.startswith(f"{name}|")


@given(name=hostile)
def test_a_line_is_one_line_or_refused(name: str) -> None:
    part = compile_part("Ciao {{ recipient.name }}", "subject", Part(kind="line", max_chars=500_000), "it")
    try:
        line = part.render(context(name))
    except RenderRefused:
        return
    assert len(line.splitlines()) == 1
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", line)


@given(
    source=st.text()
    | st.lists(
        st.sampled_from(
            [
                "{{",
                "}}",
                "{%",
                "%}",
                "{#",
                "#}",
                " recipient",
                ".name",
                "if ",
                "for x in vars.l",
                "endif",
                "endfor",
                "|",
                "upper",
                "(",
                ")",
                "[",
                "]",
                "track",
                "'",
                '"',
                "<a href=",
                ">",
                "~",
                "*",
                "1",
            ]
        )
    ).map("".join)
)
def test_any_source_is_accepted_or_refused_but_never_an_accident(source: str) -> None:
    kinds: tuple[Kind, ...] = ("line", "text", "html", "url")
    for kind in kinds:
        if isinstance(check(source, kind), list):
            continue
        part = compile_part(source, "x", Part(kind=kind, required=False), "it")
        try:
            part.render(context())
        except (MissingValue, RenderRefused):
            continue
