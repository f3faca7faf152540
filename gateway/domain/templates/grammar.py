"""What an author may write: the walk over a parsed template at acceptance."""

import difflib
import inspect
import math
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, Final

from jinja2 import nodes

from gateway.domain.templates import filters, formats
from gateway.domain.templates.environment import written
from gateway.domain.templates.limits import DEPTH, LOOPS, NODES
from gateway.domain.templates.links import link_fault
from gateway.domain.templates.names import FIELDS, KNOWN, RESERVED
from gateway.domain.templates.problems import TemplateProblem

ALLOWED: Final = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.If,
    nodes.For,
    nodes.Assign,
    nodes.Name,
    nodes.Const,
    nodes.List,
    nodes.Tuple,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Slice,
    nodes.Filter,
    nodes.Test,
    nodes.CondExpr,
    nodes.Concat,
    nodes.Compare,
    nodes.Operand,
    nodes.Keyword,
    nodes.BinExpr,
    nodes.UnaryExpr,
)
DATA: Final = (nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Filter)

GIVEN_BY_JINJA: Final = frozenset({"self", "super", "caller", "varargs", "kwargs"})


def faults(tree: nodes.Template) -> list[TemplateProblem]:
    """Everything in the template that is not allowed, in the order of the source; at most a screenful."""
    if problem := _size_problem(tree):
        return [problem]
    return list(_limited(_walk(tree, loops=0), 50))


def _size_problem(tree: nodes.Template) -> TemplateProblem | None:
    """Comes first and recurses nowhere: what follows may then recurse as deep as DEPTH."""
    level: list[nodes.Node] = [tree]
    size = depth = 0
    while level:
        size, depth = size + len(level), depth + 1
        if depth > DEPTH:
            return _problem("too-deep", f"more than {DEPTH} brackets, operators or blocks within each other", level[0])
        if size > NODES:
            return _problem("too-large", f"the template has more than {NODES} words and operators", level[0])
        level = [child for node in level for child in node.iter_child_nodes()]
    return None


def is_track(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name == "track"


def _walk(node: nodes.Node, loops: int) -> Iterator[TemplateProblem]:
    if isinstance(node, nodes.Call):
        yield from _call_faults(node)
        return
    if not isinstance(node, ALLOWED):
        yield _problem("not-allowed", f"{_construct(node)} is not available in templates", node)
        return
    loops += isinstance(node, nodes.For)
    yield from _own_faults(node, loops)
    for child in node.iter_child_nodes():
        yield from _walk(child, loops)


def _own_faults(node: nodes.Node, loops: int) -> Iterable[TemplateProblem]:
    match node:
        case nodes.For():
            return _loop_faults(node, loops)
        case nodes.Assign():
            return _target_faults(node.target)
        case nodes.Filter():
            return _filter_faults(node)
        case nodes.Test() if node.name not in filters.TESTS:
            return [_unknown("test", node.name, filters.TESTS, node)]
        case nodes.Getattr():
            return _field_faults(node, node.attr)
        case nodes.Getitem(arg=nodes.Const(value=str(key))):
            return _field_faults(node, key)
        case nodes.Getitem() if not isinstance(node.node, DATA):
            return [_problem("not-allowed", "[ ] stands behind a name, a field or a filter", node)]
        case nodes.CondExpr(expr2=None):
            return [_problem("not-allowed", "an if within an expression needs its else", node)]
        case nodes.Const(value=float(amount)) if not math.isfinite(amount):
            return [_problem("bad-argument", "a number that is too large", node)]
        case nodes.Name(name=name) if name in GIVEN_BY_JINJA:
            return [unknown_name(name, KNOWN, node)]
        case nodes.Name(name="track"):
            return [_problem("bad-link", 'track is written with its link: track("https://...")', node)]
    return ()


def _call_faults(node: nodes.Call) -> Iterator[TemplateProblem]:
    if not is_track(node):
        yield _problem(
            "not-allowed", f"{written(node.node)}(...): templates call nothing but track; use a filter", node
        )
        return
    match node:
        case nodes.Call(args=[nodes.Const(value=str(url))], kwargs=[], dyn_args=None, dyn_kwargs=None):
            if fault := link_fault(url):
                yield _problem("bad-link", f"track: {fault}", node)
        case _:
            yield _problem("bad-link", 'track takes one link in quotes and nothing else: track("https://...")', node)


def _loop_faults(node: nodes.For, loops: int) -> Iterator[TemplateProblem]:
    if loops > LOOPS:
        yield _problem("not-allowed", f"more than {LOOPS} loops within each other", node)
    if node.recursive:
        yield _problem("not-allowed", "a recursive loop is not available in templates", node)
    if not isinstance(node.iter, DATA):
        yield _problem("not-allowed", "a loop goes over a name, a field or a filter of one", node)
    yield from _target_faults(node.target)


def _target_faults(target: nodes.Node) -> Iterator[TemplateProblem]:
    for part in target.items if isinstance(target, nodes.Tuple) else [target]:
        if not isinstance(part, nodes.Name):
            yield _problem("not-allowed", "only plain names can be set", target)
        elif part.name in RESERVED or part.name.startswith("_"):
            yield _problem("not-allowed", f"{part.name} is a name of the gateway's own; choose another", target)


def _filter_faults(node: nodes.Filter) -> Iterator[TemplateProblem]:
    filter_ = filters.FILTERS.get(node.name)
    if filter_ is None or node.node is None:
        yield _unknown("filter", node.name, filters.FILTERS, node)
        return
    if node.dyn_args is not None or node.dyn_kwargs is not None:
        yield _problem("not-allowed", "* and ** are not available in the arguments of a filter", node)
        return
    # A filter that is given the context first is bound with a stand-in for it.
    context = [None] if hasattr(filter_, "jinja_pass_arg") else []
    try:
        given = {str(keyword.key): keyword.value for keyword in node.kwargs}
        bound = _signature(filter_).bind(*context, node.node, *node.args, **given)
    except TypeError as error:
        yield _problem("bad-argument", f"the filter {node.name}: {error}", node)
        return
    yield from _argument_faults(node, bound.arguments)


@cache
def _signature(filter_: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(filter_)


def _argument_faults(node: nodes.Filter, given: dict[str, Any]) -> Iterator[TemplateProblem]:
    style, currency = given.get("style"), given.get("currency")
    styles = formats.DATE_STYLES if node.name == "date" else formats.TIME_STYLES
    if isinstance(style, nodes.Const) and style.value not in styles:
        yield _problem("bad-argument", f"the filter {node.name} knows the styles {', '.join(styles)}", node)
    if isinstance(currency, nodes.Const) and not formats.is_currency(currency.value):
        yield _problem(
            "bad-argument", f"the filter money needs an ISO 4217 code such as 'EUR', not {currency.value!r}", node
        )


def _field_faults(node: nodes.Getattr | nodes.Getitem, field: str) -> Iterator[TemplateProblem]:
    if not isinstance(node.node, DATA):
        yield _problem("not-allowed", "a field stands behind a name, a field or a filter", node)
    elif field.startswith("_"):
        yield _problem("not-allowed", f"{written(node)}: fields do not start with _", node)
    elif isinstance(node.node, nodes.Name) and node.node.name in FIELDS and field not in FIELDS[node.node.name]:
        yield _unknown("field", field, FIELDS[node.node.name], node, where=f" of {node.node.name}")


def unknown_name(name: str, known: Iterable[str], node: nodes.Node) -> TemplateProblem:
    return _unknown("name", name, known, node)


def _unknown(what: str, name: str, known: Iterable[str], node: nodes.Node, where: str = "") -> TemplateProblem:
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there is: {', '.join(known)}"
    return _problem(f"unknown-{what}", f"there is no {what} {name}{where}; {hint}", node)


def _construct(node: nodes.Node) -> str:
    words = {
        nodes.FromImport: "from … import",
        nodes.CallBlock: "call",
        nodes.FilterBlock: "filter block",
        nodes.AssignBlock: "set block",
        nodes.ScopedEvalContextModifier: "autoescape",
        nodes.NSRef: "set on a field",
    }
    return words.get(type(node), type(node).__name__.lower())


def _problem(code: str, message: str, node: nodes.Node) -> TemplateProblem:
    return TemplateProblem(code=code, message=message, line=getattr(node, "lineno", None))


def _limited(problems: Iterator[TemplateProblem], most: int) -> Iterator[TemplateProblem]:
    for _, problem in zip(range(most), problems, strict=False):
        yield problem
