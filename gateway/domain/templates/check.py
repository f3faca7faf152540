"""The check of one template at acceptance, and what it learns on the way."""

from types import CodeType
from typing import Final

from jinja2 import TemplateError, TemplateSyntaxError, meta, nodes
from msgspec import Struct
from msgspec.structs import replace

from gateway.domain.templates import characters, grammar, mail_markup, markup
from gateway.domain.templates.environment import Rewrite, Sandbox, written
from gateway.domain.templates.limits import SOURCE_BYTES, TAGS, Kind
from gateway.domain.templates.names import KNOWN
from gateway.domain.templates.problems import TemplateProblem

NONE: Final[frozenset[str]] = frozenset()


class Checked(Struct, frozen=True, kw_only=True):
    """What an accepted template uses.

    `links` are the addresses given to `track`, each once, in the order of the source.
    `variables` are the job variables it asks for, written `vars.city` or `city`, without
    the `vars.`; `attributes` the names behind `recipient.attributes`. Some may stand in a
    branch that is never taken. `fixed_chars` come out whatever the values are.
    """

    kind: Kind
    uses_coupon: bool
    uses_unsubscribe_url: bool
    links: tuple[str, ...]
    variables: frozenset[str]
    attributes: frozenset[str]
    fixed_chars: int
    open_addresses: frozenset[str] = NONE
    """HTML attributes whose address gets its scheme from a value: they are looked at in every message."""


class Examined(Struct, frozen=True, kw_only=True):
    """An accepted template and its code, to be run in the sandbox it was examined for."""

    code: CodeType
    checked: Checked


def check(source: str, kind: Kind, known: frozenset[str] = NONE) -> Checked | list[TemplateProblem]:
    """What the template uses, or everything an author has to mend.

    `known` are the job's variables, which may be written without `vars.`. Values behind
    `vars.` and `recipient.attributes.` can only be known when rendering.
    """
    examined = examine(Sandbox(kind), source, kind, known)
    return examined.checked if isinstance(examined, Examined) else examined


def examine(sandbox: Sandbox, source: str, kind: Kind, known: frozenset[str]) -> Examined | list[TemplateProblem]:
    if kind == "html" and mail_markup.is_mjml(source):
        return _examine_mjml(sandbox, source, known)
    return _examine(sandbox, source, kind, known)


def _examine_mjml(sandbox: Sandbox, source: str, known: frozenset[str]) -> Examined | list[TemplateProblem]:
    """The code of the HTML that it becomes. First it is examined as written, so that faults name the author's lines."""
    as_written = _examine(sandbox, source, "html", known)
    if not isinstance(as_written, Examined):
        return as_written
    html = mail_markup.to_html(source, sandbox)
    if isinstance(html, TemplateProblem):
        return [html]
    found = _examine(sandbox, html, "html", known)
    return found if isinstance(found, Examined) else [replace(problem, line=None) for problem in found]


def _examine(sandbox: Sandbox, source: str, kind: Kind, known: frozenset[str]) -> Examined | list[TemplateProblem]:
    if problem := _source_problem(source, kind):
        return [problem]
    tree = _parsed(sandbox, source)
    if isinstance(tree, TemplateProblem):
        return [tree]
    if problems := grammar.faults(tree):
        return problems
    found = markup.examine(tree) if kind == "html" else None
    checked = _checked(tree, kind, known, found.open_addresses if found else NONE)
    tree = Rewrite(sandbox).visit(tree)
    if problems := [*_unknown_names(tree, known), *(found.problems if found else ())]:
        return problems
    code = _compiled(sandbox, tree)
    return [code] if isinstance(code, TemplateProblem) else Examined(code=code, checked=checked)


def count_tags(source: str) -> int:
    """Expressions and statements, counted without parsing."""
    return source.count("{{") + source.count("{%")


def _source_problem(source: str, kind: Kind) -> TemplateProblem | None:
    if control := characters.control_in(source):
        return TemplateProblem(code="control-character", message=f"the source holds the control character {control}")
    if len(source.encode()) > SOURCE_BYTES[kind]:
        return TemplateProblem(code="too-large", message=f"a {kind} template has at most {SOURCE_BYTES[kind]} bytes")
    if count_tags(source) > TAGS:
        return TemplateProblem(code="too-large", message=f"a template has at most {TAGS} expressions and statements")
    return None


def _parsed(sandbox: Sandbox, source: str) -> nodes.Template | TemplateProblem:
    try:
        return sandbox.parse(source)
    except TemplateSyntaxError as error:
        return TemplateProblem(code="syntax", message=error.message or "the template cannot be read", line=error.lineno)
    except RecursionError:
        return TemplateProblem(code="too-deep", message="too many brackets, operators or blocks within each other")
    except (TemplateError, ValueError, ArithmeticError) as error:
        # Python's own limits on literals: 5,000 digits, 1e999.
        return TemplateProblem(code="syntax", message=f"the template cannot be read ({type(error).__name__})")


def _compiled(sandbox: Sandbox, tree: nodes.Template) -> CodeType | TemplateProblem:
    try:
        return sandbox.compile(tree)
    except (TemplateError, SyntaxError, RecursionError, MemoryError) as error:
        # Python's compiler has limits of its own, a few hundred branches of one if, say.
        message = f"the template cannot be compiled ({type(error).__name__}); make it simpler"
        return TemplateProblem(code="too-deep", message=message)


def _unknown_names(tree: nodes.Template, known: frozenset[str]) -> list[TemplateProblem]:
    names = KNOWN | known
    unknown = meta.find_undeclared_variables(tree) - names
    first: dict[str, nodes.Name] = {}
    for node in tree.find_all(nodes.Name):
        if node.name in unknown:
            first.setdefault(node.name, node)
    return [grammar.unknown_name(name, names, node) for name, node in first.items()]


def _checked(tree: nodes.Template, kind: Kind, known: frozenset[str], open_addresses: frozenset[str]) -> Checked:
    names = {node.name for node in tree.find_all(nodes.Name)}
    tracked = [call.args[0] for call in tree.find_all(nodes.Call)]
    return Checked(
        kind=kind,
        uses_coupon="coupon" in names,
        uses_unsubscribe_url="unsubscribe_url" in names,
        links=tuple(dict.fromkeys(url.value for url in tracked if isinstance(url, nodes.Const))),
        variables=frozenset(_keys_behind(tree, "vars") | (names & known)),
        attributes=frozenset(_keys_behind(tree, "recipient.attributes")),
        fixed_chars=sum(_fixed_chars(node) for node in tree.body),
        open_addresses=open_addresses,
    )


def _keys_behind(tree: nodes.Template, path: str) -> set[str]:
    keys: set[str] = set()
    for node in tree.find_all((nodes.Getattr, nodes.Getitem)):
        match node:
            case nodes.Getattr(node=base, attr=key) | nodes.Getitem(node=base, arg=nodes.Const(value=str(key))):
                if written(base) == path:
                    keys.add(key)
    return keys


def _fixed_chars(node: nodes.Node) -> int:
    if not isinstance(node, nodes.Output):
        return 0
    return sum(len(part.data.strip()) for part in node.nodes if isinstance(part, nodes.TemplateData))
