"""The files of a print batch, fetched from a gateway elsewhere and compared with their checksums."""

import asyncio
import hashlib
import re
from pathlib import Path
from typing import Final

import aiohttp
import click
import msgspec
from msgspec import Struct

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_CHUNK_BYTES: Final = 1 << 16
_QUIET_FOR_S: Final = 60.0


class _File(Struct, frozen=True, kw_only=True):
    name: str
    sha256: str
    bytes: int


class _Batch(Struct, frozen=True, kw_only=True):
    id: str
    state: str
    files: tuple[_File, ...]


def download(url: str, token: str, batch_id: str, target: Path) -> tuple[Path, list[str]]:
    """Fetch the files of a batch into `target/<batch>`. Raises ClickException where they cannot be had whole."""
    try:
        return asyncio.run(_download(url.rstrip("/"), token, batch_id, target))
    except (aiohttp.ClientError, TimeoutError) as error:
        raise click.ClickException(f"{url} does not answer: {error or type(error).__name__}") from None


async def _download(url: str, token: str, batch_id: str, target: Path) -> tuple[Path, list[str]]:
    headers = {"Authorization": f"Bearer {token}"}
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_QUIET_FOR_S, sock_read=_QUIET_FOR_S)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as http:
        async with http.get(f"{url}/v1/batches/{batch_id}", allow_redirects=False) as told:
            batch = msgspec.json.decode(await _good(told).read(), type=_Batch)
        if not batch.files:
            raise click.ClickException(f"the batch is {batch.state} and has no files")
        place = target / batch.id
        if not all(_NAME.fullmatch(name) for name in (batch.id, *(file.name for file in batch.files))):
            raise click.ClickException("the gateway names files as no gateway does; nothing was fetched")
        await asyncio.to_thread(place.mkdir, parents=True, exist_ok=True)
        for file in batch.files:
            await _fetch(http, f"{url}/v1/batches/{batch.id}/files/{file.name}", file, place)
    sums = [place / file.name for file in batch.files if file.name.endswith("SHA256SUMS")]
    await asyncio.to_thread(_compare, place, sums)
    return place, [file.name for file in batch.files]


async def _fetch(http: aiohttp.ClientSession, url: str, file: _File, place: Path) -> None:
    """Under another name until it is known to be whole."""
    unfinished = place / f".{file.name}.unfinished"
    digest = hashlib.sha256()
    try:
        async with http.get(url, allow_redirects=False) as answer:
            with unfinished.open("wb") as target:
                async for chunk in _good(answer).content.iter_chunked(_CHUNK_BYTES):
                    digest.update(chunk)
                    target.write(chunk)
        if digest.hexdigest() != file.sha256:
            raise click.ClickException(f"{file.name} is not what the gateway wrote: its checksum differs")
        unfinished.replace(place / file.name)
    finally:
        unfinished.unlink(missing_ok=True)


def _good(answer: aiohttp.ClientResponse) -> aiohttp.ClientResponse:
    match answer.status:
        case 200:
            return answer
        case 401 | 403:
            raise click.ClickException("the gateway refuses the key; it needs the scope batches:read")
        case 404:
            raise click.ClickException("the gateway has no such batch or file")
        case status:
            raise click.ClickException(f"the gateway answered {status}")


def _compare(place: Path, sums: list[Path]) -> None:
    """The checksums that travel with the files, as the print shop will compare them."""
    for path in sums:
        for line in path.read_text(encoding="utf-8").splitlines():
            expected, _, name = line.partition("  ")
            found = place / name.removeprefix("*")
            if not _NAME.fullmatch(found.name) or found.parent != place:
                raise click.ClickException(f"{path.name} names a file that is none of the batch: {name}")
            with found.open("rb") as stream:
                if hashlib.file_digest(stream, "sha256").hexdigest() != expected:
                    raise click.ClickException(f"{found.name} is not what {path.name} says")
