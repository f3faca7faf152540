"""The folder of a demonstration: emptied, and furnished with settings of its own."""

import shutil
import socket
from pathlib import Path
from typing import Final

from msgspec import Struct

from channels.webpush.vapid import VapidKeys, new_vapid_keys
from gateway.demo.receivers.lifetime import HOST
from gateway.settings import write_starter

MARKER: Final = ".risveglio-demo"
FROM: Final = "hello@records.example"

_GATEWAY: Final = """\
# The settings of the demonstration; `risveglio init` writes ones with every choice explained.

[server]
port = {port}

[keys]
current = 1
pepper = "file:keys/pepper.key"

[keys.ring]
1 = "file:keys/1.key"

[worker]
poll_s = 0.1

# The receivers are on this machine; channels reach nothing private unless it is named here.
[egress]
allow = ["127.0.0.1"]
"""

_CHANNELS: Final = """\
[channels.email]
host = "127.0.0.1"
port = {smtp_port}
tls = "none"
from_address = "{from_address}"
from_name = "Example Records"
list_id = "offers.records.example"
connections = 8

[channels.sms]
base_url = "{twilio_url}"
account_sid = "{account_sid}"
auth_tokens = ["{auth_token}"]
sender = "Records"

# Names are no senders in North America.
[[channels.sms.senders]]
countries = ["US", "CA"]
sender = "+12025550100"

[channels.webpush]
vapid_private_key = "file:keys/vapid.key"
subject = "mailto:push@records.example"
allow_http = true

[channels.postal]
sender_name = "Example Records"
sender_address = ["Via dell’Esempio 1", "00100 Roma RM"]
sender_country = "IT"
design = "postcard-a6"
accent_cmyk = [15, 100, 65, 25]
time_zone = "Europe/Rome"
"""

_POLICIES: Final = """\
# Purposes are left as they come: e-mail, SMS and push only after a grant, paper until somebody objects.
countries = []

[[caps]]
name = "three messages in a week"
max = 3
window = "P7D"

[[caps]]
name = "two SMS in a week"
max = 2
window = "P7D"
channels = ["sms"]

[[quiet_hours]]
channels = ["sms", "webpush"]
from = 21:00:00
to = 09:00:00
source = "Custom"

[[quiet_hours]]
channels = ["sms"]
countries = ["US"]
from = 20:00:00
to = 09:00:00
source = "47 CFR 64.1200(c)(1) and the states' own laws"

[retry]
first = "PT10M"
longest = "PT1H"

[post]
lead = "P2D"
transit = "P3D"
"""


class NotOurs(Exception):
    """A folder that must not be emptied: no demonstration made it."""


class House(Struct, frozen=True, kw_only=True):
    """Where the demonstration lives, and what its gateway answers to."""

    folder: Path
    port: int
    vapid: VapidKeys

    @property
    def config(self) -> Path:
        return self.folder / "config"

    @property
    def bulk(self) -> Path:
        return self.folder / "import"

    @property
    def received(self) -> Path:
        return self.folder / "received"

    @property
    def database(self) -> Path:
        return self.folder / "data" / "risveglio.db"

    @property
    def prints(self) -> Path:
        return self.folder / "data" / "prints"

    @property
    def log(self) -> Path:
        return self.folder / "gateway.log"

    @property
    def token(self) -> Path:
        """The file with the API key of the shop."""
        return self.config / "keys" / "shop.token"

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"


def make_house(folder: Path) -> House:
    """An empty folder, and a port that is free. Raises NotOurs."""
    _empty(folder)
    (folder / MARKER).touch()
    return House(folder=folder.resolve(), port=_free_port(), vapid=new_vapid_keys())


def furnish(house: House, *, smtp_port: int, twilio_url: str, account_sid: str, auth_token: str) -> None:
    """Write the settings, with fresh keys."""
    house.config.mkdir()
    own = {
        "gateway.toml": _GATEWAY.format(port=house.port),
        "channels.toml": _CHANNELS.format(
            smtp_port=smtp_port,
            twilio_url=twilio_url,
            account_sid=account_sid,
            auth_token=auth_token,
            from_address=FROM,
        ),
        "policies.toml": _POLICIES,
    }
    for name, text in own.items():
        (house.config / name).write_text(text, encoding="utf-8")
    # What is there already it leaves alone: it adds the keys.
    write_starter(house.config)
    write_secret(house.config / "keys" / "vapid.key", house.vapid.private_key.reveal())


def write_secret(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text + "\n", encoding="ascii")


def _empty(folder: Path) -> None:
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARKER).exists():
        raise NotOurs(
            f"{folder} is not empty, and no demonstration made it: nothing was removed; "
            "name another folder with --folder"
        )
    if folder.is_dir():
        for path in folder.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    folder.mkdir(parents=True, exist_ok=True)


def _free_port() -> int:
    """Free at this moment: somebody quick could still take it."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
        return port
