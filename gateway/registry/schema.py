"""The JSON Schema of a channel's table: what may stand in it, without anything that does."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec
from msgspec import Struct

from gateway.contract import Secret

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def table_schema(kind: str, config_type: type[Struct], provider: str | None = None) -> dict[str, Any]:
    """The schema (2020-12) of `[channels.KIND]`, with the keys that the gateway reads itself.

    Secrets are `writeOnly` and show no default. What the author wrote about a key is its `description`: in its `Meta`,
    or in the docstring below it.
    """
    root, definitions = _components(config_type)
    own = dict(definitions.pop(_name_in(root)))
    own["properties"] = {
        "enabled": _ENABLED,
        **({"provider": {"const": provider}} if provider else {}),
        **own["properties"],
    }
    if provider:
        own["required"] = ["provider", *own.get("required", [])]
    schema = {"$schema": _DIALECT, **own, "title": f"channels.{kind}"}
    whole: dict[str, Any] = _without_null(schema | ({"$defs": definitions} if definitions else {}))
    return whole


_ENABLED: Final = {
    "type": "boolean",
    "default": True,
    "description": "Where false, the channel rests and keeps its messages.",
}


def _components(config_type: type[Struct]) -> tuple[dict[str, Any], dict[str, Any]]:
    (root,), definitions = msgspec.json.schema_components(
        [_without_odd_defaults(config_type, {})], schema_hook=_own_type, ref_template="#/$defs/{name}"
    )
    for struct in _structs(config_type):
        if struct.__name__ in definitions:
            _describe(definitions[struct.__name__], struct)
    return root, definitions


def _without_odd_defaults(kind: Any, made: dict[type[Struct], type[Struct]]) -> Any:
    """The same type, where no default is a Secret, a Path or anything else that has no JSON: msgspec refuses those."""
    if isinstance(kind, type) and issubclass(kind, Struct):
        if kind not in made:
            made[kind] = _remade(kind, made)
        return made[kind]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        bare = _without_odd_defaults(arguments[0], made)
        return kind if bare is arguments[0] else Annotated[(bare, *arguments[1:])]
    if origin is None or origin is Literal:
        return kind
    changed = tuple(_without_odd_defaults(each, made) for each in arguments)
    if all(new is old for new, old in zip(changed, arguments, strict=True)):
        return kind
    return Union[changed] if origin in (Union, UnionType) else origin[changed]  # noqa: UP007  # made of a tuple


def _remade(kind: type[Struct], made: dict[type[Struct], type[Struct]]) -> type[Struct]:
    fields = msgspec.structs.fields(kind)
    inner = {each.encode_name: _without_odd_defaults(each.type, made) for each in fields}
    if all(inner[each.encode_name] is each.type and _has_json(each.default) for each in fields):
        return kind
    shown = [(name, type_, _shown_default(each)) for each, (name, type_) in zip(fields, inner.items(), strict=True)]
    return msgspec.defstruct(
        kind.__name__, shown, kw_only=True, forbid_unknown_fields=True, namespace={"__doc__": kind.__doc__}
    )


def _has_json(default: Any) -> bool:
    try:
        msgspec.to_builtins(default)
    except TypeError:
        return default is msgspec.NODEFAULT
    return True


def _shown_default(field: msgspec.structs.FieldInfo) -> Any:
    """The default as msgspec may show it; one that is made when it is needed it does not show."""
    if field.default_factory is not msgspec.NODEFAULT:
        return msgspec.field(default_factory=field.default_factory)
    if _has_json(field.default):
        return field.default
    return msgspec.field(default_factory=lambda: field.default)


def _name_in(root: dict[str, Any]) -> str:
    return str(root["$ref"]).rpartition("/")[2]


def _own_type(kind: type) -> dict[str, Any]:
    if kind is Secret:
        return {"type": "string", "writeOnly": True}
    if kind is Path:
        return {"type": "string", "format": "path"}
    raise NotImplementedError(kind)


def _without_null(schema: Any) -> Any:
    """The same for TOML, which knows no null: a key that may be None is one that may be left out."""
    match schema:
        case {"anyOf": [*choices], **others}:
            kept = [_without_null(choice) for choice in choices if choice != {"type": "null"}]
            rest = {key: _without_null(value) for key, value in others.items() if (key, value) != ("default", None)}
            return {**kept[0], **rest} if len(kept) == 1 else {"anyOf": kept, **rest}
        case dict():
            return {key: _without_null(value) for key, value in schema.items()}
        case list():
            return [_without_null(each) for each in schema]
        case _:
            return schema


def _describe(schema: dict[str, Any], struct: type[Struct]) -> None:
    """Adds what the docstrings say, and takes away defaults that are secret."""
    told = dict(_docstrings(struct))
    if "description" in schema:
        schema["description"] = inspect.cleandoc(schema["description"])
    for field in msgspec.structs.fields(struct):
        value = schema["properties"][field.encode_name]
        if "description" not in value and field.name in told:
            # A reference may have neighbours in this dialect.
            value["description"] = told[field.name]
        if "writeOnly" in str(value):
            value.pop("default", None)


def _docstrings(struct: type) -> Iterator[tuple[str, str]]:
    """The strings below the fields of a class and of its bases; none where the source is not at hand."""
    for base in reversed(struct.__mro__[:-1]):
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
        except (OSError, TypeError, SyntaxError):
            continue
        body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
        for field, told in pairwise(body):
            match field, told:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    yield name, " ".join(inspect.cleandoc(text).split())


def _structs(config_type: type[Struct]) -> Iterator[type[Struct]]:
    """The type and all Structs inside it."""
    waiting: list[Any] = [msgspec.inspect.type_info(config_type)]
    known: set[type] = set()
    while waiting:
        told = waiting.pop()
        if isinstance(told, msgspec.inspect.StructType) and told.cls not in known:
            known.add(told.cls)
            yield told.cls
            waiting += [field.type for field in told.fields]
        elif not isinstance(told, msgspec.inspect.StructType):
            inner = [
                getattr(told, name, ())
                for name in ("types", "item_types", "item_type", "key_type", "value_type", "type")
            ]
            for types in inner:
                waiting += types if isinstance(types, tuple) else [types]
