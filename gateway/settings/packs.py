"""Policy packs: the rules of one country in a file of its own, `countries/it.toml` for Italy.

A pack names its country once, and each of its rules says where it was read and when: law changes, and whoever
looks at a rule must be able to look it up.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from gateway.domain.policy import BasisRule, Policies, QuietRule, Register
from gateway.domain.replies import ReplyWords
from gateway.domain.words import CountryCode
from gateway.domain.zones import zones_of_country
from gateway.settings.files import File
from gateway.settings.problems import Page, Steps

FOLDER: Final = "countries"
_NAME: Final = re.compile(r"[a-z]{2}\.toml")
_RULES: Final = ("quiet_hours", "basis", "registers")


class Pack(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of a pack. Its rules are for its country alone; its words of replies are for everybody."""

    country: CountryCode
    quiet_hours: tuple[QuietRule, ...] = ()
    basis: tuple[BasisRule, ...] = ()
    registers: tuple[Register, ...] = ()
    replies: ReplyWords = ReplyWords()

    def __post_init__(self) -> None:
        if not zones_of_country(self.country):
            raise ValueError("country: is no country of ISO 3166-1, or nobody lives there (Britain is GB)")


class PoliciesFile(Policies, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of `policies.toml`."""

    countries: tuple[CountryCode, ...] | None = None
    """Whose packs are in force; None for every pack that is there."""


class PackFile(NamedTuple):
    """A pack that is in force; `pack` is None where its page has faults."""

    page: Page
    pack: Pack | None


def read_packs(folder: Path, environ: Mapping[str, str], policies: PoliciesFile, page: Page) -> list[PackFile]:
    """The packs that are in force. A chosen one that is not there is noted on the `page` of `policies.toml`."""
    present = list(_present(folder / FOLDER, page))
    chosen = present if policies.countries is None else list(dict.fromkeys(policies.countries))
    for country in chosen:
        if country not in present:
            known = f"there are {', '.join(present)}" if present else "there are none"
            page.note(("countries",), f"there is no file {FOLDER}/{country.lower()}.toml; {known}")
    packs = [_read(folder, country, environ) for country in chosen if country in present]
    _refuse_doubled_registers(policies, packs)
    return packs


def _present(folder: Path, page: Page) -> Iterator[str]:
    """The countries that have a pack. A file with another name would be no pack, without a word."""
    for path in sorted(folder.glob("*.toml")):
        if _NAME.fullmatch(path.name):
            yield path.stem.upper()
        else:
            page.note(("countries",), f"{FOLDER}/{path.name} is not named after a country, such as it.toml")


def _read(folder: Path, country: str, environ: Mapping[str, str]) -> PackFile:
    file = File(folder, f"{FOLDER}/{country.lower()}.toml", environ)
    contents = file.contents()
    if contents is None:
        return PackFile(file.page, None)
    if contents.get("country", country) != country:
        file.page.note(("country",), f'must be "{country}", as the name of the file says')
        return PackFile(file.page, None)
    rules = {name: _completed(contents[name], country, name, file.page) for name in _RULES if name in contents}
    if isinstance(words := contents.get("replies"), dict):
        _expect_source(words, ("replies",), file.page)
    pack = file.decoded(Pack, contents | rules)
    return PackFile(file.page, None if file.page.problems else pack)


def _completed(rules: Any, country: str, name: str, page: Page) -> Any:
    """The same rules, each for the country; what no rule of a pack may lack or have is noted."""
    if not isinstance(rules, list):
        return rules
    for n, rule in enumerate(rules, start=1):
        place = (name, f"[{n}]")
        if not isinstance(rule, dict):
            continue
        if "countries" in rule:
            page.note((*place, "countries"), f"cannot be set here: the rules of this file are for {country}")
        _expect_source(rule, place, page)
    return [rule | {"countries": [country]} if isinstance(rule, dict) else rule for rule in rules]


def _expect_source(rule: Mapping[str, Any], place: Steps, page: Page) -> None:
    if not rule.get("source"):
        page.note((*place, "source"), "must be set: the law or the custom that the rule rests on")
    if "read_on" not in rule:
        page.note((*place, "read_on"), "must be set: the day on which the source was read, such as 2026-11-22")


def _refuse_doubled_registers(policies: PoliciesFile, packs: Sequence[PackFile]) -> None:
    """Screenings are kept under the register's name, so names differ."""
    taken = {register.name: "policies.toml" for register in policies.registers}
    for each in packs:
        for n, register in enumerate(each.pack.registers if each.pack else (), start=1):
            if register.name in taken:
                text = f"{register.name} is the name of a register in {taken[register.name]} already"
                each.page.note(("registers", f"[{n}]", "name"), text)
            taken.setdefault(register.name, f"{FOLDER}/{Path(each.page.file).name}")


def together(policies: PoliciesFile, packs: Sequence[PackFile]) -> Policies:
    """All rules as one. Of two bases for the same the last holds, so what `policies.toml` says of a country."""
    found = [each.pack for each in packs if each.pack is not None]
    own = {each.name: getattr(policies, each.name) for each in msgspec.structs.fields(Policies)}
    rules = {name: sum((getattr(pack, name) for pack in found), start=()) + own[name] for name in _RULES}
    return Policies(**(own | rules | {"replies": policies.replies.joined(*(pack.replies for pack in found))}))
