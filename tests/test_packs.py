"""Policy packs: the rules of a country in a file of its own."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from gateway.domain.policy import BasisRule, QuietRule, Register
from gateway.domain.replies import read, tokens_of
from gateway.settings import Settings, SettingsError, load, write_starter

PACK = """
country = "IT"
[[quiet_hours]]
channels = ["sms"]
from = 20:00:00
to = 09:00:00
source = "a code"
read_on = 2026-11-22
[[basis]]
purposes = ["marketing"]
channels = ["sms"]
basis = "opt_in"
source = "a law"
read_on = 2026-11-22
[[registers]]
name = "rpo-it"
channels = ["postal"]
valid_for = "P30D"
source = "a decree"
read_on = 2026-11-22
[replies]
stop = ["basta così"]
phrases = ["lasciatemi in pace"]
source = "a custom"
read_on = 2026-11-22
"""


class Config:
    """A config folder, and what is wrong with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        write_starter(folder)
        for path in (folder / "countries").iterdir():
            path.unlink()
        self.policies("")

    def policies(self, text: str) -> None:
        (self.folder / "policies.toml").write_text(text, encoding="utf-8")

    def pack(self, name: str, text: str) -> None:
        (self.folder / "countries" / name).write_text(text, encoding="utf-8")

    def load(self) -> Settings:
        return load(self.folder, {"TWO_WEEKS": "P14D"})

    def problems(self) -> list[str]:
        with pytest.raises(SettingsError) as caught:
            self.load()
        return [str(problem).replace(f"{self.folder}/", "") for problem in caught.value.problems]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(tmp_path / "config")


def test_the_rules_of_a_pack_are_for_its_country(config: Config) -> None:
    config.pack("it.toml", PACK)
    policies = config.load().policies
    [quiet], [basis], [register] = policies.quiet_hours, policies.basis, policies.registers
    assert isinstance(quiet, QuietRule)
    assert isinstance(basis, BasisRule)
    assert isinstance(register, Register)
    assert quiet.countries == basis.countries == register.countries == ("IT",)
    assert (register.name, register.valid_for, register.source) == ("rpo-it", timedelta(days=30), "a decree")
    assert register.read_on == date(2026, 11, 22)


def test_the_words_of_all_packs_and_of_policies_count_for_everybody(config: Config) -> None:
    config.pack("it.toml", PACK)
    config.pack("pl.toml", PACK.replace("IT", "PL").replace("rpo-it", "rpo-pl").replace("basta così", "dosyć"))
    config.policies('[replies]\nstop = ["schluss"]\nhelp = ["rette mich"]')
    replies = config.load().policies.replies
    assert replies.stop == ("schluss", "basta così", "dosyć")
    assert (replies.help, replies.phrases) == (("rette mich",), ("lasciatemi in pace", "lasciatemi in pace"))
    assert [read(text, replies).intent for text in ("Basta così!", "dosyc", "Schluss")] == ["stop", "stop", "stop"]


def test_without_the_folder_there_are_no_packs(config: Config) -> None:
    (config.folder / "countries").rmdir()
    assert config.load().policies.quiet_hours == ()


def test_every_pack_that_is_there_is_in_force(config: Config) -> None:
    config.pack("it.toml", PACK)
    config.pack("gr.toml", PACK.replace("IT", "GR").replace("rpo-it", "rpo-gr"))
    assert [rule.countries for rule in config.load().policies.quiet_hours] == [("GR",), ("IT",)]


@pytest.mark.parametrize(("chosen", "in_force"), [('["IT"]', [("IT",)]), ("[]", []), ('["IT", "IT"]', [("IT",)])])
def test_policies_may_choose_packs(config: Config, chosen: str, in_force: list[tuple[str]]) -> None:
    config.pack("it.toml", PACK)
    config.pack("pl.toml", PACK.replace("IT", "PL").replace("rpo-it", "rpo-pl"))
    config.policies(f"countries = {chosen}")
    assert [rule.countries for rule in config.load().policies.quiet_hours] == in_force


def test_a_pack_that_was_not_chosen_may_be_broken(config: Config) -> None:
    config.pack("it.toml", PACK)
    config.pack("pl.toml", "nonsense")
    config.policies('countries = ["IT"]')
    assert len(config.load().policies.registers) == 1


def test_what_policies_say_of_a_country_comes_after_its_pack(config: Config) -> None:
    config.pack("it.toml", PACK)
    config.policies('[[basis]]\ncountries = ["IT"]\npurposes = ["marketing"]\nbasis = "opt_out"')
    assert [rule.basis for rule in config.load().policies.basis] == ["opt_in", "opt_out"]


def test_a_value_of_a_pack_may_come_from_the_environment(config: Config) -> None:
    config.pack("it.toml", PACK.replace("P30D", "${TWO_WEEKS}"))
    assert config.load().policies.registers[0].valid_for == timedelta(days=14)


def test_a_pack_may_speak_of_a_usual_purpose_that_this_installation_does_not_have(config: Config) -> None:
    config.pack("it.toml", PACK.replace('["marketing"]', '["marketing", "survey"]'))
    config.policies('[purposes.marketing]\nbasis = { "*" = "opt_in" }')
    assert config.load().policies.basis[0].purposes == ("marketing", "survey")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"IT"', '"FR"', 'country: must be "IT", as the name of the file says'),
        ('country = "IT"', "", "country: must be set"),
        ("[[quiet_hours]]", "[[quiet_hour]]", "quiet_hour: unknown key; did you mean quiet_hours?"),
        ("channels = [", "chanels = [", "[quiet_hours[1]] chanels: unknown key; did you mean channels?"),
        ("from = 20", 'countries = ["SM"]\nfrom = 20', "[quiet_hours[1]] countries: cannot be set here: the rules of"
         " this file are for IT"),
        ('source = "a law"', "", "[basis[1]] source: must be set: the law or the custom that the rule rests on"),
        ('source = "a law"', 'source = ""', "[basis[1]] source: must be set: the law or the custom that the rule rests"
         " on"),
        ('"opt_in"', '"opt-in"', "[basis[1]] basis: must be one of none, opt_in, opt_out"),
        ('["marketing"]', '["advertising"]', "[basis[1]] purposes: advertising is not known here; there are marketing,"
         " service, survey, transactional"),
        ('["postal"]', '["post"]', "[registers[1]] channels: post is not known here; there are email, postal, sms,"
         " webpush"),
        ('"P30D"', '"PT0S"', "[registers[1]] valid_for: must be longer than nothing, such as P30D"),
        ("phrases =", "phrase =", "[replies] phrase: unknown key; did you mean phrases?"),
        ('["basta così"]', '["…"]', "[replies] stop: holds a word without a letter or digit"),
        ('source = "a custom"', "", "[replies] source: must be set: the law or the custom that the rule rests on"),
        ("country", "country =", "is not TOML: Invalid value (at line 2, column 11)"),
    ],
)  # fmt: skip
def test_a_faulty_pack_is_told_with_file_table_and_key(config: Config, old: str, new: str, problem: str) -> None:
    assert old in PACK
    config.pack("it.toml", PACK.replace(old, new, 1))
    assert config.problems() == [f"countries/it.toml: {problem}"]


def test_a_rule_says_when_it_was_read(config: Config) -> None:
    config.pack("it.toml", PACK.replace("read_on = 2026-11-22", ""))
    told = "must be set: the day on which the source was read, such as 2026-11-22"
    assert config.problems() == [
        f"countries/it.toml: [{table}] read_on: {told}"
        for table in ("quiet_hours[1]", "basis[1]", "registers[1]", "replies")
    ]


def test_a_file_that_is_not_named_after_a_country_is_refused(config: Config) -> None:
    config.pack("italy.toml", PACK)
    told = "policies.toml: countries: countries/italy.toml is not named after a country, such as it.toml"
    assert config.problems() == [told]


def test_a_country_that_nobody_lives_in_is_refused(config: Config) -> None:
    config.pack("uk.toml", PACK.replace("IT", "UK"))
    told = "is no country of ISO 3166-1, or nobody lives there (Britain is GB)"
    assert config.problems() == [f"countries/uk.toml: country: {told}"]


def test_a_chosen_pack_that_is_not_there_is_refused(config: Config) -> None:
    config.policies('countries = ["PL"]')
    assert config.problems() == ["policies.toml: countries: there is no file countries/pl.toml; there are none"]
    config.pack("it.toml", PACK)
    assert config.problems() == ["policies.toml: countries: there is no file countries/pl.toml; there are IT"]


def test_two_registers_of_one_name_are_refused(config: Config) -> None:
    config.pack("fr.toml", PACK.replace("IT", "FR"))
    config.pack("it.toml", PACK)
    told = "[registers[1]] name: rpo-it is the name of a register in countries/fr.toml already"
    assert config.problems() == [f"countries/it.toml: {told}"]
    (config.folder / "countries" / "fr.toml").unlink()
    config.policies('[[registers]]\nname = "rpo-it"\ncountries = ["IT"]\nchannels = ["sms"]\nvalid_for = "P1D"')
    told = "[registers[1]] name: rpo-it is the name of a register in policies.toml already"
    assert config.problems() == [f"countries/it.toml: {told}"]


def test_a_misspelt_name_in_a_rule_of_policies_is_refused(config: Config) -> None:
    register = '[[registers]]\nname = "x"\ncountries = ["IT"]\nchannels = ["post"]\nvalid_for = "P1D"'
    basis = '[[basis]]\ncountries = ["IT"]\npurposes = ["advertising"]\nbasis = "opt_in"'
    config.policies(f"{register}\n{basis}")
    told = [each.partition("; there are")[0] for each in config.problems()]
    assert told == [
        "policies.toml: [basis[1]] purposes: advertising is not known here",
        "policies.toml: [registers[1]] channels: post is not known here",
    ]


# The packs that come with the gateway


@pytest.fixture
def started(tmp_path: Path) -> Path:
    write_starter(tmp_path / "config")
    return tmp_path / "config"


def test_the_starters_packs_load(started: Path) -> None:
    policies = load(started, {}).policies
    countries = {country for rule in policies.basis for country in rule.countries}
    assert countries == {"DE", "ES", "FR", "GB", "IT", "US"}


def test_the_starters_packs_ask_for_consent_and_loosen_nothing(started: Path) -> None:
    """A pack goes before what the operator says of the purpose: one that loosens would undo a stricter choice."""
    assert {rule.basis for rule in load(started, {}).policies.basis} == {"opt_in"}


def test_the_starters_packs_say_what_people_write_back(started: Path) -> None:
    replies = load(started, {}).policies.replies
    known = {tokens_of(word) for word in replies.stop}
    assert {("stop",), ("opt", "out"), ("arret",), ("baja",), ("abmelden",), ("annulla",)} <= known
    assert [word for word in (*replies.stop, *replies.phrases) if read(word, replies).intent != "stop"] == []
    assert [word for word in replies.start if read(word, replies).intent != "start"] == []
    assert [word for word in replies.help if read(word, replies).intent != "help"] == []


def test_the_starters_registers_are_on_where_the_law_asks_for_them(started: Path) -> None:
    assert [register.name for register in load(started, {}).policies.registers] == ["robinson-es"]


def test_the_starters_commented_registers_load(started: Path) -> None:
    with (started / "channels.toml").open("a") as channels:
        channels.write('\n[channels.voice]\nurl = "https://calls.example.com"\n')
    for path in (started / "countries").iterdir():
        lines = path.read_text().splitlines()
        path.write_text("\n".join(line.removeprefix("#") if line[1:2].strip() else line for line in lines))
    names = {register.name for register in load(started, {}).policies.registers}
    assert names == {
        "robinson-de", "robinson-es", "robinson-fr", "mps-gb", "tps-gb", "rpo-it", "rpo-it-calls", "dmachoice-us"
    }  # fmt: skip


def test_the_starter_adds_a_pack_that_is_missing_and_leaves_the_others(started: Path) -> None:
    (started / "countries" / "it.toml").unlink()
    (started / "countries" / "fr.toml").write_text('country = "FR"')
    assert write_starter(started) == [started / "countries" / "it.toml"]
    assert (started / "countries" / "fr.toml").read_text() == 'country = "FR"'
