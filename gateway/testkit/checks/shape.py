"""Checks of a channel at rest: its class, its config, how it is built and closed."""

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import inspect

from gateway.registry import examination
from gateway.registry.configuration import ConfigFault
from gateway.testkit.case import Bench, Defect
from gateway.testkit.watch import watched

_SOUNDS_SECRET: Final = re.compile(r"password|passwd|passphrase|secret|token|private_key|api_key|credential")
_IS_A_NAME: Final = re.compile(r"_(id|sid|url|file|path|name|env|header)$")


async def it_has_the_shape_of_a_channel(bench: Bench) -> None:
    wrong = examination.faults(bench.case.channel)
    if wrong:
        raise Defect("; ".join(wrong))


async def its_capabilities_make_sense(bench: Bench) -> None:
    wrong = list(examination.capability_faults(bench.case.channel))
    if wrong:
        raise Defect("; ".join(wrong))
    if bench.capabilities.batched and bench.case.ticket is None and bench.case.messages:
        raise Defect("a batched channel is tried with a `ticket` in its case")


async def its_config_refuses_unknown_keys(bench: Bench) -> None:
    _decoded(bench)
    try:
        bench.config({"no_such_key_at_all": 1})
    except ConfigFault as fault:
        if "no_such_key_at_all" not in str(fault):
            raise Defect("an unknown key is refused, but the error does not name it") from None
    else:
        raise Defect("an unknown key goes unnoticed: declare the Struct with forbid_unknown_fields=True")
    for struct in _structs(bench):
        if not struct.forbid_unknown_fields:
            raise Defect(f"the nested {struct.cls.__name__} lacks forbid_unknown_fields=True")


async def its_config_shows_no_secret(bench: Bench) -> None:
    config = _decoded(bench)
    for struct in _structs(bench):
        for field in struct.fields:
            if _should_be_secret(field):
                raise Defect(
                    f"`{field.encode_name}` sounds like a secret and is a plain string: use gateway.contract.Secret"
                )
    shown = f"{config!r} {config!s} {_as_json(config)}"
    if any(secret in shown for secret in bench.secrets() if secret):
        raise Defect("the config's repr or JSON holds a secret: use gateway.contract.Secret")


async def building_it_does_no_io(bench: Bench) -> None:
    config = bench.build()  # a first time, for what is imported or cached once
    del config
    with watched() as seen:
        bench.build()
    touched = sorted(set(seen) - {"os.mkdir"})
    if touched:
        raise Defect(f"the constructor touches the outside ({', '.join(touched)}): move that to `open`")


async def closing_it_twice_or_unopened_does_no_harm(bench: Bench) -> None:
    unopened = bench.build()
    await bench.in_time("close", unopened.close())
    async with bench.opened() as channel:
        await bench.in_time("close", channel.close())


def _decoded(bench: Bench) -> Any:
    try:
        return bench.config({})
    except ConfigFault as fault:
        raise Defect(f"the case's own config is refused: {fault}") from None


def _structs(bench: Bench) -> Iterator[inspect.StructType]:
    """The config's Struct and all Structs inside it."""
    waiting: list[Any] = [inspect.type_info(bench.case.channel.config_type)]  # type: ignore[attr-defined]
    known: set[type] = set()
    while waiting:
        told = waiting.pop()
        if isinstance(told, inspect.StructType):
            if told.cls in known:
                continue
            known.add(told.cls)
            yield told
            waiting += [field.type for field in told.fields]
        else:
            inner = [getattr(told, name, ()) for name in ("types", "item_types", "item_type", "key_type", "value_type")]
            for types in inner:
                waiting += types if isinstance(types, tuple) else [types]


def _should_be_secret(field: inspect.Field) -> bool:
    name = field.encode_name.lower()
    if not _SOUNDS_SECRET.search(name) or _IS_A_NAME.search(name):
        return False
    kinds = field.type.types if isinstance(field.type, inspect.UnionType) else (field.type,)
    return any(isinstance(kind, inspect.StrType) for kind in kinds)


def _as_json(config: Any) -> str:
    try:
        return msgspec.json.encode(config).decode()
    except TypeError:
        return ""  # a Secret refuses to be encoded, as it should
