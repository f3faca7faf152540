"""The settings: what they read, and what they say when something is wrong."""

import base64
import importlib
import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import time, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from gateway.contract import Secret
from gateway.domain.policy import Policies
from gateway.domain.quiet_hours import quiet_hours
from gateway.registry import configuration
from gateway.registry.discovery import BUILT_IN
from gateway.settings import SettingsError, load, write_starter
from gateway.settings.loading import BUILT_IN_CHANNELS
from gateway.settings.starter import STARTER_FILES
from gateway.settings.tables import GatewayFile

ROOT = Path(__file__).resolve().parents[1]
KEY_1 = "rUq3-first-key-of-the-ring-0123456789abcdef"
KEY_2 = "Zx8w-second-key-of-the-ring-fedcba9876543210"
PEPPER = "pQ7v-pepper-for-suppressed-addresses-24680"
KEYS = f"""
[keys]
current = 1
pepper = "{PEPPER}"
ring = {{ 1 = "{KEY_1}" }}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A config folder with the least that must be there."""
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "gateway.toml").write_text(KEYS)
    return folder


def write(folder: Path, *, gateway: str = "", channels: str = "", policies: str = "") -> None:
    (folder / "gateway.toml").write_text(gateway + ("" if "[keys]" in gateway else KEYS), encoding="utf-8")
    (folder / "channels.toml").write_text(channels, encoding="utf-8")
    (folder / "policies.toml").write_text(policies, encoding="utf-8")


def problems(folder: Path, environ: Mapping[str, str] | None = None) -> list[str]:
    """What is wrong, each with the file's bare name in front."""
    with pytest.raises(SettingsError) as caught:
        load(folder, environ or {})
    return [str(problem).replace(f"{folder}/", "") for problem in caught.value.problems]


# What is read


def test_the_keys_alone_are_enough_and_the_rest_has_defaults(folder: Path) -> None:
    settings = load(folder, {})
    assert settings.data_dir == folder.parent / "data"
    assert settings.database.url.reveal() == f"sqlite:///{folder.parent}/data/risveglio.db"
    assert settings.public_url == "http://127.0.0.1:8080"
    assert settings.server.allowed_hosts == ("127.0.0.1", "localhost")
    assert settings.plugins.folder == folder.parent / "plugins"
    assert settings.keys.ring[1].reveal() == KEY_1
    assert settings.channels == {}
    assert settings.policies == Policies()


def test_the_host_of_short_links_may_be_called_too(folder: Path) -> None:
    server = '[server]\npublic_url = "https://gateway.example.com"'
    write(folder, gateway=f'{server}\n[links]\nshort_url = "https://r.example.com/"\n{KEYS}')
    settings = load(folder, {})
    assert settings.links.short_url == "https://r.example.com"
    assert settings.server.allowed_hosts == ("gateway.example.com", "127.0.0.1", "localhost", "r.example.com")
    write(
        folder,
        gateway=f'{server}\nallowed_hosts = ["inner.example.com"]\n[links]\nshort_url = "https://r.example.com"\n{KEYS}',
    )
    assert load(folder, {}).server.allowed_hosts == ("inner.example.com", "r.example.com")


def test_loading_makes_neither_folders_nor_files(folder: Path) -> None:
    before = sorted(folder.parent.rglob("*"))
    load(folder, {})
    assert sorted(folder.parent.rglob("*")) == before


def test_every_table_of_gateway_toml_is_read(folder: Path) -> None:
    write(
        folder,
        gateway=f"""
        data_dir = "/srv/risveglio"
        [database]
        url = "postgresql://risveglio:pass@db.example.com/risveglio"
        pool_size = 3
        [server]
        host = "0.0.0.0"
        port = 9000
        public_url = "https://gateway.example.com/"
        max_body_bytes = 2048
        allowed_hosts = ["gateway.example.com", "inner.example.com"]
        [keys]
        current = 2
        pepper = "{PEPPER}"
        [keys.ring]
        1 = "{KEY_1}"
        2 = "{KEY_2}"
        [worker]
        poll_s = 2
        lease_s = 60
        drain_s = 5
        claim_size = 500
        page_size = 2000
        render_processes = 4
        [egress]
        allow = ["10.1.0.0/16", "::1"]
        [plugins]
        folder = "extra"
        [log]
        level = "debug"
        format = "json"
        """,
    )
    settings = load(folder, {})
    assert settings.data_dir == Path("/srv/risveglio")
    assert settings.database.url.reveal() == "postgresql+psycopg://risveglio:pass@db.example.com/risveglio"
    assert (settings.database.pool_size, settings.server.port, settings.server.max_body_bytes) == (3, 9000, 2048)
    assert settings.public_url == "https://gateway.example.com"
    assert settings.server.allowed_hosts == ("gateway.example.com", "inner.example.com")
    assert settings.keys.current == 2
    assert settings.keys.ring[2].reveal() == KEY_2
    assert (settings.worker.poll_s, settings.worker.claim_size, settings.worker.render_processes) == (2.0, 500, 4)
    assert settings.egress.networks == (ip_network("10.1.0.0/16"), ip_network("::1"))
    assert settings.plugins.folder == folder / "extra"
    assert (settings.log.level, settings.log.format) == ("debug", "json")


def test_channel_tables_are_handed_on_with_everything_put_in(folder: Path) -> None:
    write(
        folder,
        channels="""
        [channels.email]
        host = "${SMTP_HOST}"
        port = 587
        from_name = "Città di Πάτρα 🌊"
        [channels.sms]
        auth_tokens = ["${FIRST}", "${SECOND:-spare}"]
        """,
    )
    channels = load(folder, {"SMTP_HOST": "smtp.example.com", "FIRST": "one"}).channels
    assert dict(channels["email"]) == {"host": "smtp.example.com", "port": 587, "from_name": "Città di Πάτρα 🌊"}
    assert channels["sms"]["auth_tokens"] == ["one", "spare"]


def test_a_channel_table_decodes_into_the_channels_own_config_type(folder: Path) -> None:
    class Config(msgspec.Struct):
        host: str
        tags: list[str]

    write(folder, channels='[channels.email]\nhost = "smtp.example.com"\ntags = ["a"]')
    assert msgspec.convert(load(folder, {}).channels["email"], Config) == Config("smtp.example.com", ["a"])


def test_policies_are_read_into_the_domains_own_vocabulary(folder: Path) -> None:
    write(
        folder,
        policies="""
        default_time_zone = "Europe/Athens"
        [purposes.marketing]
        basis = { "*" = "opt_in", postal = "opt_out" }
        [[caps]]
        name = "week"
        max = 2
        window = "P7D"
        channels = ["email"]
        purposes = ["marketing"]
        [[quiet_hours]]
        from = 21:00:00
        to = 08:00:00
        channels = ["sms"]
        countries = ["IT"]
        [retry]
        first = "PT1M"
        """,
    )
    policies = load(folder, {}).policies
    assert policies.default_time_zone == "Europe/Athens"
    assert policies.purposes["marketing"].basis_on("postal") == "opt_out"
    assert policies.caps[0].window == timedelta(days=7)
    assert (policies.quiet_hours[0].from_, policies.quiet_hours[0].to) == (time(21), time(8))
    assert policies.retry.first == timedelta(minutes=1)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:///other.db", "sqlite:///{data}/other.db"),
        ("sqlite:////srv/risveglio.db", "sqlite:////srv/risveglio.db"),
        ("sqlite:///risveglio.db?timeout=5", "sqlite:///{data}/risveglio.db?timeout=5"),
        ("postgres://db.example.com/x", "postgresql+psycopg://db.example.com/x"),
        ("postgresql+psycopg://db.example.com/x", "postgresql+psycopg://db.example.com/x"),
    ],
)
def test_a_database_url_is_completed(folder: Path, url: str, expected: str) -> None:
    write(folder, gateway=f'[database]\nurl = "{url}"\n')
    assert load(folder, {}).database.url.reveal() == expected.format(data=folder.parent / "data")


# What is put in


def test_a_variable_may_give_a_number(folder: Path) -> None:
    write(folder, gateway='[server]\nport = "${PORT:-8080}"\n')
    assert load(folder, {"PORT": "9100"}).server.port == 9100
    assert load(folder, {}).server.port == 8080


def test_an_empty_variable_gives_way_to_the_default(folder: Path) -> None:
    write(folder, channels='[channels.x]\na = "${A:-plain}"\nb = "${A:-}"\nc = "-${B:-}${C}-"')
    assert dict(load(folder, {"A": "", "C": "see"}).channels["x"]) == {"a": "plain", "b": "", "c": "-see-"}


def test_two_dollars_before_a_brace_are_a_plain_one(folder: Path) -> None:
    write(folder, channels='[channels.x]\na = "$${HOME} costs $5 and $$"')
    assert load(folder, {"HOME": "no"}).channels["x"]["a"] == "${HOME} costs $5 and $$"


def test_what_a_variable_holds_is_not_read_again(folder: Path) -> None:
    write(folder, channels='[channels.x]\na = "${A}"\nb = "${B}"')
    table = load(folder, {"A": "${B}", "B": "file:/etc/hostname"}).channels["x"]
    assert dict(table) == {"a": "${B}", "b": "file:/etc/hostname"}


def test_a_file_value_is_the_text_of_the_file_without_the_lines_end(folder: Path) -> None:
    secret = folder / "token.key"
    secret.write_text("  päss word \r\n", encoding="utf-8")
    secret.chmod(0o600)
    write(folder, channels='[channels.x]\ntoken = "file:${NAME}.key"')
    assert load(folder, {"NAME": "token"}).channels["x"]["token"] == "  päss word "


# What is wrong


def test_a_missing_gateway_toml_says_how_to_make_one(tmp_path: Path) -> None:
    assert problems(tmp_path) == [f"gateway.toml: not found; make a first one with: risveglio init {tmp_path}"]


def test_an_unset_variable_is_named_with_file_table_and_key(folder: Path) -> None:
    write(folder, channels='[channels.sms]\nauth_token = "${TWILIO_AUTH_TOKEN}"\nlist = ["${A}", "${B}${C}"]')
    assert problems(folder, {"A": "", "B": "set"}) == [
        "channels.toml: [channels.sms] auth_token: environment variable TWILIO_AUTH_TOKEN is not set",
        "channels.toml: [channels.sms] list[1]: environment variable A is empty",
        "channels.toml: [channels.sms] list[2]: environment variable C is not set",
    ]


@pytest.mark.parametrize("text", ["${", "${}", "${1A}", "${A-b}", "${A:-{b}}", "${A B}"])
def test_a_malformed_reference_is_refused(folder: Path, text: str) -> None:
    write(folder, channels=f'[channels.x]\na = "{text}"')
    [problem] = problems(folder, {"A": "a"})
    assert problem.startswith("channels.toml: [channels.x] a: `${` without a name and `}`")


def test_all_problems_of_all_files_are_told_at_once(folder: Path) -> None:
    write(
        folder,
        gateway="""
        datadir = "x"
        [server]
        port = "eight"
        host = 5
        [worker]
        claim_size = 0
        [keys]
        current = 1
        pepper = "${PEPPER}"
        """,
        channels="[channels.sms]\nsid = '${SID}'",
        policies='[[caps]]\nname = "week"\nmax = 0\nwindow = "seven days"\n[retry]\ntries = 3',
    )
    assert problems(folder) == [
        "gateway.toml: [keys] pepper: environment variable PEPPER is not set",
        "gateway.toml: datadir: unknown key; did you mean data_dir?",
        "gateway.toml: [server] host: must be text",
        "gateway.toml: [server] port: must be a whole number from 0 to 65535",
        "gateway.toml: [keys] ring: must be set",
        "gateway.toml: [worker] claim_size: must be a whole number from 1 to 2000",
        "channels.toml: [channels.sms] sid: environment variable SID is not set",
        "policies.toml: [caps[1]] max: must be a whole number from 1 to 10000",
        "policies.toml: [caps[1]] window: must be a span of time, such as P7D or PT2H30M",
        "policies.toml: [retry] tries: unknown key; known here: attempts, first, longest",
    ]


@pytest.mark.parametrize(
    ("gateway", "problem"),
    [
        ("[server]\nprot = 1", "gateway.toml: [server] prot: unknown key; did you mean port?"),
        ("[sever]\nport = 1", "gateway.toml: sever: unknown key; did you mean server?"),
        ("server = 5", "gateway.toml: server: must be a table"),
        ("[server]\nport = 70000", "gateway.toml: [server] port: must be a whole number from 0 to 65535"),
        ('[server]\nport = "8080"', "gateway.toml: [server] port: must be a whole number from 0 to 65535"),
        ('[server]\nallowed_hosts = ["a", 5]', "gateway.toml: [server] allowed_hosts[2]: must be text"),
        (
            '[links]\nshort_url = "http://r.example.com"',
            "gateway.toml: [links] short_url: must be https; http is for this machine alone",
        ),
        (
            '[links]\nshort_url = "https://r.example.com/s"',
            "gateway.toml: [links] short_url: must end after the host and port: the gateway needs a name of its own",
        ),
        (
            '[links]\nshort_url = "https://G.example.com"\n[server]\npublic_url = "https://g.example.com:8443"',
            "gateway.toml: [links] short_url: needs a host of its own, another than that of server.public_url",
        ),
        ("[database]\nurl = 5", "gateway.toml: [database] url: must be text"),
        (
            '[log]\nlevel = "loud"',
            "gateway.toml: [log] level: must be one of debug, error, info, warning",
        ),
        ("[worker]\nlease_s = 1", "gateway.toml: [worker] lease_s: must be a number from 5 to 3600"),
        (
            '[egress]\nallow = ["10.0.0.0/8", "10.0.0.1/8"]',
            "gateway.toml: [egress] allow: 10.0.0.1/8 has host bits set",
        ),
    ],
)
def test_a_faulty_value_is_named_with_table_and_key(folder: Path, gateway: str, problem: str) -> None:
    write(folder, gateway=f"{gateway}\n")
    assert problems(folder) == [problem]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://gateway.example.com", "must be https; http is for this machine alone"),
        ("gateway.example.com", "must be a URL such as https://gateway.example.com"),
        ("ftp://gateway.example.com", "must be a URL such as https://gateway.example.com"),
        ("https://a:b@gateway.example.com", "must have no user name or password: it stands in every message"),
        ("https://gateway.example.com/x", "must end after the host and port: the gateway needs a name of its own"),
        ("https://gateway.example.com?x=1", "must end after the host and port: the gateway needs a name of its own"),
        ("https://gateway.example.com:port", "is no URL"),
    ],
)
def test_a_public_url_that_cannot_stand_in_messages_is_refused(folder: Path, url: str, reason: str) -> None:
    write(folder, gateway=f'[server]\npublic_url = "{url}"\n')
    assert problems(folder) == [f"gateway.toml: [server] public_url: {reason}"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:80", "https://a.example"])
def test_plain_http_is_for_this_machine_alone(folder: Path, url: str) -> None:
    write(folder, gateway=f'[server]\npublic_url = "{url}/"\n')
    assert load(folder, {}).public_url == url


def test_a_gateway_open_to_others_needs_a_public_url(folder: Path) -> None:
    write(folder, gateway='[server]\nhost = "0.0.0.0"\n')
    assert problems(folder) == [
        "gateway.toml: [server] public_url: must be set where the gateway listens to more than this machine",
    ]


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite://", "sqlite:///", "sqlite:///:memory:", "risveglio.db"])
def test_a_database_that_cannot_keep_everything_is_refused(folder: Path, url: str) -> None:
    write(folder, gateway=f'[database]\nurl = "{url}"\n')
    [problem] = problems(folder)
    assert problem.startswith("gateway.toml: [database] url: must ")
    assert "mysql" not in problem


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        (f"current = 3\npepper = '{PEPPER}'\nring = {{ 1 = '{KEY_1}' }}", "current: no key 3 in the ring; it has [1]"),
        (f"current = 1\npepper = '{PEPPER}'\nring = {{ 1 = 'short' }}", "1: has 5 bytes and needs 32"),
        (f"current = 1\npepper = 'short'\nring = {{ 1 = '{KEY_1}' }}", "pepper: has 5 bytes and needs 32"),
        (f"current = 1\npepper = '{PEPPER}'\nring = {{ 1 = '{'x' * 40}' }}", "1: looks like a placeholder"),
        (f"current = 1\npepper = '{KEY_1}'\nring = {{ 1 = '{KEY_1}' }}", "ring: two keys are the same"),
        (
            f"current = 1\npepper = '{PEPPER}'\nring = {{ one = '{KEY_1}' }}",
            "one: must be a whole number from 1 to 255",
        ),
        (
            f"current = 1\npepper = '{PEPPER}'\nring = {{ 1 = '{KEY_1}', 256 = '{KEY_2}' }}",
            "256: must be a whole number from 1 to 255",
        ),
    ],
)
def test_keys_that_would_not_protect_are_refused(folder: Path, keys: str, problem: str) -> None:
    (folder / "gateway.toml").write_text(f"[keys]\n{keys}\n")
    [said] = problems(folder)
    assert problem in said
    assert said.startswith("gateway.toml: [keys")
    assert KEY_1 not in said


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "cannot be read: No such file or directory"),
        (lambda path: path.mkdir(mode=0o700), "is not a file"),
        (lambda path: _write(path, b"\n", 0o600), "is empty"),
        (lambda path: _write(path, b"\xff\xfe", 0o600), "is not UTF-8 text"),
        (lambda path: _write(path, b"x" * 70_000, 0o600), "has 70000 bytes; a value may have 65536"),
        (lambda path: _write(path, KEY_1.encode(), 0o644), "can be read by everybody on this machine: chmod 600"),
    ],
    ids=["missing", "folder", "empty", "binary", "large", "open"],
)
def test_a_file_that_is_no_good_as_a_secret_is_refused(folder: Path, make, reason: str) -> None:  # type: ignore[no-untyped-def]
    make(folder / "x.key")
    write(folder, channels='[channels.x]\ntoken = "file:x.key"')
    [problem] = problems(folder)
    assert problem.startswith("channels.toml: [channels.x] token: x.key ")
    assert reason in problem


def _write(path: Path, content: bytes, mode: int) -> None:
    path.write_bytes(content)
    path.chmod(mode)


def test_a_syntax_error_is_told_with_its_line(folder: Path) -> None:
    write(folder, channels="[channels.sms]\nsid = \n", policies="nonsense")
    assert problems(folder) == [
        "channels.toml: is not TOML: Invalid value (at line 2, column 7)",
        "policies.toml: is not TOML: Expected '=' after a key in a key/value pair (at end of document)",
    ]


def test_a_file_in_another_encoding_is_refused(folder: Path) -> None:
    (folder / "channels.toml").write_bytes("[channels.x]\na = 'è'".encode("latin-1"))
    assert problems(folder) == ["channels.toml: is not UTF-8 text"]


def test_channels_toml_holds_channel_tables_only(folder: Path) -> None:
    write(folder, channels="[email]\nport = 1\n[channels]\nsms = 5\n[channels.Wrong-Name]\nx = 1")
    email, sms, wrong = problems(folder)
    assert email == "channels.toml: email: unknown key; known here: channels"
    assert sms == "channels.toml: [channels] sms: must be a table"
    assert wrong.startswith("channels.toml: [channels] Wrong-Name: must be ")
    assert "such as " in wrong


def test_a_misspelt_name_in_a_rule_is_refused_because_it_would_switch_the_rule_off(folder: Path) -> None:
    write(
        folder,
        channels="[channels.pigeon]\nloft = 'Roma'",
        policies="""
        [purposes.marketing]
        basis = { emial = "opt_in" }
        [[caps]]
        name = "week"
        max = 1
        window = "P7D"
        channels = ["pigeon", "emial"]
        purposes = ["advertising"]
        [[quiet_hours]]
        from = 21:00:00
        to = 08:00:00
        channels = ["SMS-x"]
        """.replace("SMS-x", "smss"),
    )
    known = "email, pigeon, postal, sms, webpush"
    assert problems(folder) == [
        f"policies.toml: [caps[1]] channels: emial is not known here; there are {known}",
        "policies.toml: [caps[1]] purposes: advertising is not known here; there are marketing",
        f"policies.toml: [quiet_hours[1]] channels: smss is not known here; there are {known}",
        f"policies.toml: [purposes.marketing] basis: emial is not known here; there are *, {known}",
    ]


def test_a_policy_that_fails_its_own_check_is_told_with_its_place(folder: Path) -> None:
    write(folder, policies='default_time_zone = "Europe/Atlantis"\n[[caps]]\nname = "x"\nmax = 1\nwindow = "PT0S"')
    [problem] = problems(folder)
    assert problem == "policies.toml: [caps[1]] window: must be longer than nothing, such as P7D"
    write(folder, policies='default_time_zone = "Europe/Atlantis"')
    assert problems(folder) == ["policies.toml: default_time_zone: Europe/Atlantis is no IANA time zone"]


# What may be missing where nothing is sent


def test_what_a_channel_takes_from_elsewhere_may_be_missing_where_nothing_is_sent(folder: Path) -> None:
    write(
        folder,
        channels="""
        [channels.sms]
        sid = "${SID}"
        tokens = ["${TOKEN}", "file:token"]
        [[channels.sms.senders]]
        sender = "${SENDER}"
        [channels.smsx]
        sid = "7"
        """,
    )
    assert len(problems(folder)) == 4
    settings = load(folder, {"TOKEN": "canary-5512"}, complete=False)
    assert {kind: dict(table) for kind, table in settings.channels.items()} == {"sms": {}, "smsx": {"sid": "7"}}
    told = settings.lacking["sms"]
    assert set(settings.lacking) == {"sms"}
    assert "[channels.sms] sid: environment variable SID is not set; " in told
    assert "[channels.sms] tokens[2]: " in told
    assert "[channels.sms.senders[1]] sender: environment variable SENDER is not set" in told
    assert "canary-5512" not in told


def test_whatever_else_is_wrong_is_a_fault_where_nothing_is_sent_too(folder: Path) -> None:
    write(folder, channels="[channels.sms]\nsid = '${SID}'\n[channels.Wrong-Name]\nx = 1\n", policies="limit = 1")
    with pytest.raises(SettingsError) as caught:
        load(folder, {}, complete=False)
    assert [problem.key for problem in caught.value.problems] == ["Wrong-Name", "limit"]


# What is never told


def test_no_secret_is_printed_or_written_out(folder: Path) -> None:
    write(
        folder,
        gateway='[database]\nurl = "postgresql://u:${PASSWORD}@db.example.com/x"\n',
        channels='[channels.sms]\ntoken = "${PASSWORD}"',
    )
    settings = load(folder, {"PASSWORD": "canary-5512"})
    for shown in (repr(settings), str(settings), f"{settings.channels}", repr(settings.channels["sms"])):
        assert "canary-5512" not in shown
        assert KEY_1 not in shown
        assert PEPPER not in shown
    with pytest.raises((TypeError, msgspec.EncodeError)):
        msgspec.json.encode(settings)
    with pytest.raises(TypeError):
        json.dumps(settings.channels["sms"])


def test_a_problem_does_not_repeat_the_secret_that_caused_it(folder: Path) -> None:
    write(folder, gateway='[database]\nurl = "${URL}"\n[server]\nport = "${PORT}"\n')
    assert not [each for each in problems(folder, {"URL": "canary://pass", "PORT": "canary"}) if "canary" in each]


# The start


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "local" / "config"
    # A generous umask must not open the keys.
    before = os.umask(0)
    yield folder if write_starter(folder) else tmp_path
    os.umask(before)


def test_the_starter_writes_a_folder_that_loads(started: Path) -> None:
    settings = load(started, {})
    assert settings.policies.caps
    assert "postal" in settings.channels


def test_the_starters_keys_are_random_and_for_the_owner_alone(started: Path, tmp_path: Path) -> None:
    keys = sorted((started / "keys").iterdir())
    assert [key.name for key in keys] == ["1.key", "pepper.key"]
    assert [key.stat().st_mode & 0o777 for key in keys] == [0o600, 0o600]
    write_starter(tmp_path / "other")
    assert len({path.read_text() for path in tmp_path.rglob("*.key")}) == 4


def test_the_starter_never_overwrites(started: Path) -> None:
    (started / "policies.toml").unlink()
    (started / "channels.toml").write_text("# mine")
    before = (started / "keys" / "1.key").read_text()
    assert write_starter(started) == [started / "policies.toml"]
    assert write_starter(started) == []
    assert (started / "channels.toml").read_text() == "# mine"
    assert (started / "keys" / "1.key").read_text() == before


def test_a_lost_pepper_is_not_made_anew(started: Path) -> None:
    (started / "keys" / "pepper.key").unlink()
    assert write_starter(started) == []
    [problem] = problems(started)
    assert "[keys] pepper: " in problem


def test_a_folder_that_cannot_be_written_is_a_settings_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(SettingsError, match=r"taken: cannot be written: (File exists|Not a directory)"):
        write_starter(tmp_path / "taken")


def test_the_repositorys_config_is_the_starter(tmp_path: Path) -> None:
    packs = [f"countries/{path.name}" for path in (ROOT / "config" / "countries").iterdir()]
    assert len(packs) == len(list((ROOT / "gateway" / "starter" / "countries").iterdir()))
    designs = [f"designs/{path.name}" for path in (ROOT / "config" / "designs").iterdir()]
    assert len(designs) == len(list((ROOT / "gateway" / "starter" / "designs").iterdir()))
    for name in (*STARTER_FILES, *packs, *designs):
        assert (ROOT / "config" / name).read_text() == (ROOT / "gateway" / "starter" / name).read_text()
    for name in STARTER_FILES:
        (tmp_path / name).write_text((ROOT / "config" / name).read_text())
    write_starter(tmp_path)
    assert load(tmp_path, {}).public_url == "http://127.0.0.1:8080"


def test_the_starter_listens_where_the_environment_says(started: Path) -> None:
    settings = load(
        started,
        {
            "RISVEGLIO_HOST": "0.0.0.0",
            "RISVEGLIO_PORT": "80",
            "RISVEGLIO_PUBLIC_URL": "https://gateway.example.com",
            "RISVEGLIO_DATABASE_URL": "postgresql://db.example.com/x",
            "RISVEGLIO_LOG_FORMAT": "json",
        },
    )
    assert (settings.server.host, settings.server.port) == ("0.0.0.0", 80)
    assert settings.server.allowed_hosts == ("gateway.example.com",)
    assert settings.log.format == "json"


def test_the_starters_commented_defaults_are_the_real_ones(started: Path, folder: Path) -> None:
    """Every `# key = value` of gateway.toml, taken out of its comment, changes nothing."""
    text = (started / "gateway.toml").read_text()
    shown = [
        line for line in text.splitlines() if line.startswith("# ") and " = " in line and "example.com" not in line
    ]
    shown = [line for line in shown if not line.startswith(("# allow =", "#   "))]
    assert len(shown) >= 10
    for line in shown:
        text = text.replace(line, line.removeprefix("# "))
    before = load(started, {})
    (started / "gateway.toml").write_text(text)
    after = load(started, {})
    plain = [
        (s.data_dir, s.database.pool_size, s.server, s.worker, s.egress, s.plugins, s.log) for s in (before, after)
    ]
    assert plain[0] == plain[1]


def test_the_starter_names_every_setting() -> None:
    shown = (ROOT / "gateway" / "starter" / "gateway.toml").read_text()
    tables = {each.name: each.type for each in msgspec.structs.fields(GatewayFile)}
    for name, kind in tables.items():
        if not issubclass(kind, msgspec.Struct):
            assert f"{name} = " in shown
            continue
        part = shown.partition(f"[{name}]")[2]
        for setting in msgspec.structs.fields(kind):
            assert f"{setting.name} = " in part or f"[{name}.{setting.name}]" in part, f"{name}.{setting.name}"


def test_the_starters_quiet_hours_leave_open_what_its_comments_say(started: Path) -> None:
    rules = load(started, {}).policies.quiet_hours

    def open_hours(country: str, day: int) -> list[int]:
        quiet = quiet_hours(rules, "sms", country)
        minutes = [(hour, day * 1440 + hour * 60) for hour in range(24)]
        return [hour for hour, minute in minutes if not any(start <= minute < end for start, end in quiet.spans)]

    assert [open_hours("IT", day) for day in range(7)] == [[*range(9, 20)]] * 5 + [[*range(10, 19)], []]
    assert [open_hours("FR", day) for day in range(7)] == [[*range(10, 20)]] * 6 + [[]]
    assert [open_hours("US", day) for day in range(7)] == [[*range(9, 20)]] * 6 + [[*range(12, 20)]]
    assert [open_hours("ES", day) for day in range(7)] == [[*range(9, 21)]] * 5 + [[]] * 2
    assert [open_hours("DE", day) for day in range(7)] == [[*range(9, 21)]] * 7
    assert [open_hours("GB", day) for day in range(7)] == [[*range(9, 21)]] * 7
    assert quiet_hours(rules, "email", "IT").spans == ()
    assert quiet_hours(rules, "postal", "IT").spans == ()


def test_the_commented_channels_of_the_starter_load(started: Path) -> None:
    """An example that does not hold would be found by the operator, at the worst moment."""
    lines = (started / "channels.toml").read_text().splitlines()
    example = "\n".join(line.removeprefix("# ") for line in lines if not line.startswith("# ") or _is_toml(line[2:]))
    (started / "channels.toml").write_text(example)
    for name in ("vapid", "vapid-2026", "dkim"):
        _write(started / "keys" / f"{name}.pem", _pem(name), 0o600)
    names = re.findall(r"\$\{(\w+)\}", example)
    values = dict.fromkeys(names, "secret") | {"TWILIO_ACCOUNT_SID": "AC" + "0" * 32, "SENDGRID_VERIFICATION_KEY": _KEY}
    channels = load(started, values).channels
    assert set(channels) == set(BUILT_IN_CHANNELS)
    # Several servers take the place of the one.
    one = {key: value for key, value in channels["email"].items() if key not in ("relays",)}
    several = {key: value for key, value in channels["email"].items() if key not in _OF_ONE_SERVER}
    for kind, table in (*channels.items(), ("email", one), ("email", several)):
        if table is not channels["email"]:
            configuration.decode(kind, table, _class_of(kind).config_type)


_OF_ONE_SERVER = ("host", "port", "username", "password", "tls")


def _class_of(kind: str) -> Any:
    module, _, name = BUILT_IN[kind].partition(":")
    return getattr(importlib.import_module(module), name)


def _pem(name: str) -> bytes:
    key = rsa.generate_private_key(65537, 2048) if name == "dkim" else ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


_KEY = base64.b64encode(
    ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
).decode()


def _is_toml(line: str) -> bool:
    try:
        return bool(tomllib.loads(line))
    except tomllib.TOMLDecodeError:
        return False


def test_the_production_example_loads(tmp_path: Path) -> None:
    text = (ROOT / "config" / "production.example.toml").read_text()
    for name, key in {"risveglio_pepper": PEPPER, "risveglio_key_1": KEY_1, "risveglio_key_2": KEY_2}.items():
        _write(tmp_path / name, key.encode(), 0o600)
    (tmp_path / "gateway.toml").write_text(text.replace("/run/secrets/", ""))
    settings = load(tmp_path, {"RISVEGLIO_DATABASE_PASSWORD": "secret"})
    assert settings.public_url == "https://gateway.example.com"
    assert isinstance(settings.keys.ring[2], Secret)


def test_the_built_in_channels_are_those_of_the_registry() -> None:
    assert set(BUILT_IN_CHANNELS) == set(BUILT_IN)
