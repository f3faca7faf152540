"""Jinja2, narrowed: plain data only, no calls, no globals, every operator within a size.

The sandbox of Jinja2 alone stops neither `'x' * 10**9` nor a method call on a value. Here a template cannot call
at all, and attributes are keys of mappings.
"""

import math
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from jinja2 import Undefined, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing
from jinja2.visitor import NodeTransformer

from gateway.domain.templates import characters, filters
from gateway.domain.templates.limits import NUMBER, VALUE_CHARS, Kind
from gateway.domain.templates.problems import RenderRefused
from gateway.domain.templates.undefined import Absent, Missing

LOOP_FIELDS: Final = frozenset({"index", "index0", "first", "last", "length", "revindex", "revindex0"})


class Generator(CodeGenerator):
    """Writes code that knows the name of each value it looks up, so that a missing one can be named."""

    def visit_Getattr(self, node: nodes.Getattr, frame: Frame) -> None:
        self.write("environment.attribute(")
        self.visit(node.node, frame)
        self.write(f", {node.attr!r}, {written(node)!r})")

    def visit_Getitem(self, node: nodes.Getitem, frame: Frame) -> None:
        if isinstance(node.arg, nodes.Slice):
            super().visit_Getitem(node, frame)
            return
        self.write("environment.item(")
        self.visit(node.node, frame)
        self.write(", ")
        self.visit(node.arg, frame)
        self.write(f", {written(node)!r})")

    def _output_child_to_const(self, node: nodes.Expr, frame: Frame, finalize: CodeGenerator._FinalizeInfo) -> str:
        # Jinja2 would work out constants now, and in HTML escape them before `printed` sees what they are.
        if not isinstance(node, nodes.TemplateData):
            raise nodes.Impossible
        return super()._output_child_to_const(node, frame, finalize)

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
        # `~` is the one operator that the sandbox cannot intercept.
        self.write("environment.concatenation((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment of one kind of part."""

    code_generator_class = Generator
    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    def __init__(self, kind: Kind) -> None:
        self.strips_controls = kind in ("text", "html")
        super().__init__(
            autoescape=kind == "html",
            undefined=Missing,
            finalize=self.printed,
            loader=None,
            cache_size=0,
            optimized=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.globals.clear()
        self.filters = {**filters.FILTERS, filters.TRACK: filters.track, filters.EACH: filters.each}
        self.tests = dict(filters.TESTS)

    def getattr(self, obj: Any, attribute: str) -> Any:
        raise SecurityError("attributes are read through `attribute` only")

    def getitem(self, obj: Any, argument: Any) -> Any:
        raise SecurityError("items are read through `item` only")

    def attribute(self, obj: Any, name: str, path: str) -> Any:
        """`obj.name`: a key of a mapping, or a counter of the loop."""
        if isinstance(obj, LoopContext) and name in LOOP_FIELDS:
            return getattr(obj, name)
        return self.item(obj, name, path)

    def item(self, obj: Any, key: Any, path: str) -> Any:
        """`obj[key]`, or an undefined value named `path` where there is none."""
        if isinstance(obj, Undefined):
            str(obj)  # raises, naming the value
        try:
            value = obj[key] if isinstance(obj, dict | list | tuple | str) else missing
        except (LookupError, TypeError):
            value = missing
        if value is None:
            return Absent(name=path)
        return Missing(name=path) if value is missing else value

    def concatenation(self, parts: Sequence[Any]) -> str:
        return filters.sized("".join(str(self.printed(part)) for part in parts))

    def printed(self, value: Any) -> str | int | float | Decimal:
        """A value as it may stand in a message. Raises RenderRefused for what only a program would print."""
        if isinstance(value, str):
            return characters.without_controls(value) if self.strips_controls else value
        if isinstance(value, Undefined):
            str(value)  # raises, naming the value
        if isinstance(value, bool) or value is None:
            raise RenderRefused("an expression gives true, false or none; use {% if %} to choose words for it")
        if isinstance(value, int | float | Decimal):
            if not math.isfinite(value):
                raise RenderRefused("an expression gives a number that is too large")
            return value
        if isinstance(value, date | datetime):
            raise RenderRefused("an expression gives a date; add the date filter")
        raise RenderRefused("an expression gives a list or a mapping; use a loop, the join filter or a field of it")

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        return _operation(self.binop_table[operator], operator, left, right)


class Rewrite(NodeTransformer):
    """Turns `track("...")` into a filter and puts the turn counter before every loop."""

    def __init__(self, environment: Sandbox) -> None:
        self.environment = environment

    def visit_Call(self, node: nodes.Call) -> nodes.Node:
        return self._filter(filters.TRACK, node.args[0], node.lineno)

    def visit_For(self, node: nodes.For) -> nodes.Node:
        self.generic_visit(node)
        node.iter = self._filter(filters.EACH, node.iter, node.lineno)
        return node

    def _filter(self, name: str, target: nodes.Node, line: int) -> nodes.Filter:
        return nodes.Filter(target, name, [], [], None, None, lineno=line, environment=self.environment)


def written(node: nodes.Node) -> str:
    """An expression as its author wrote it: `vars.city`, `vars.offers[0].name`."""
    match node:
        case nodes.Name():
            return node.name
        case nodes.Getattr():
            return f"{written(node.node)}.{node.attr}"
        case nodes.Getitem(arg=nodes.Const(value=value)):
            return f"{written(node.node)}[{value!r}]"
        case nodes.Getitem():
            return f"{written(node.node)}[{written(node.arg)}]"
        case nodes.Filter():
            return f"{written(node.node)}|{node.name}" if node.node else node.name
    return "…"


def _operation(operation: Callable[[Any, Any], Any], operator: str, left: Any, right: Any) -> Any:
    for side in (left, right):
        if isinstance(side, Undefined):
            str(side)  # raises, naming the value
    if _is_number(left) and _is_number(right):
        if operator == "**" and abs(right) > 64:
            raise RenderRefused("the operator ** takes exponents up to 64")
        result = operation(left, right)
        if not _is_number(result) or not abs(result) < NUMBER:  # `not <` catches NaN too
            raise RenderRefused(f"the operator {operator} gives a number that is too large")
        return result
    if operator == "+" and isinstance(left, str) and isinstance(right, str):
        return filters.sized(left + right)
    if operator == "*" and isinstance(left, str) and isinstance(right, int) and len(left) * right <= VALUE_CHARS:
        return left * right
    raise RenderRefused(f"the operator {operator} takes numbers; texts are joined with ~ and may be repeated a little")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
