"""Starts a gateway and the website on this machine, until Ctrl-C: `python -m gateway.demo.push_site`.

It needs a browser, and the internet: between the two stands the push service of the browser's maker.
"""

import asyncio
import contextlib
import signal
from argparse import ArgumentParser
from pathlib import Path
from typing import Final

import aiohttp

from gateway.demo.house import House, furnish, make_house
from gateway.demo.push_site.site import PushSite
from gateway.demo.receivers.http import serve_http
from gateway.demo.serving import serving
from gateway.services import keys
from gateway.storage.database import Database

_SCOPES: Final = ("recipients:write", "jobs:write")
_POLICIES: Final = """\
# For trying out: no caps and no quiet hours. Push only after a grant, as always.
countries = []
"""
_NOBODY: Final = 9
"""A port where nobody listens: the other channels are not used."""


async def run(folder: Path, port: int) -> None:
    house = make_house(folder)
    nowhere = f"http://127.0.0.1:{_NOBODY}"
    furnish(house, smtp_port=_NOBODY, twilio_url=nowhere, account_sid="AC" + "0" * 32, auth_token="unused")  # noqa: S106
    (house.config / "policies.toml").write_text(_POLICIES, encoding="utf-8")
    async with aiohttp.ClientSession() as http, serving(house, http):
        runner, bound_port = await serve_http(PushSite(http, house.url, await _api_key(house)).app(), port)
        # Another name of this machine, so that shop and gateway are two sites, as they will be.
        print(f"open http://localhost:{bound_port}/ in a browser; the gateway is {house.url}; Ctrl-C ends both")
        try:
            await _until_told()
        finally:
            await runner.cleanup()


async def _api_key(house: House) -> str:
    db = Database(f"sqlite:///{house.database}", connections=1)
    try:
        return (await db.write(keys.create, "shop", _SCOPES)).token
    finally:
        db.close()


async def _until_told() -> None:
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    await told.wait()


def main() -> None:
    parser = ArgumentParser(prog="python -m gateway.demo.push_site", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/push-site"), help="emptied first (%(default)s)")
    parser.add_argument("--port", type=int, default=0, help="of the website; 0 takes a free one (default)")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run(options.folder, options.port))


if __name__ == "__main__":
    main()
