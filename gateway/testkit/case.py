"""What an author tells the kit about a channel, and the bench on which the kit tries it."""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final, TypeVar

import aiohttp
from msgspec import Struct

from gateway.contract import BatchTicket, Context, Outbound
from gateway.registry import configuration, guarded_session, wording
from gateway.registry.patience import within
from gateway.testkit.recorder import Recorder
from gateway.testkit.samples import NOW

T = TypeVar("T")

_THIS_MACHINE: Final = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


class Peer(Struct, frozen=True, kw_only=True):
    """A running provider to talk to. `config` overrides keys of the case's config: `{"port": 40123}`.

    `messages` and `refused` replace the case's where the addresses must point at the peer.
    """

    config: Mapping[str, Any] = {}
    messages: Sequence[Outbound] = ()
    refused: Sequence[Outbound] = ()


class Case(Struct, frozen=True, kw_only=True):
    """A channel and all that is needed to try it. The more an author gives, the more is checked."""

    channel: type
    config: Mapping[str, Any]
    """The table as it stands in channels.toml, valid without any peer."""
    messages: Sequence[Outbound]
    """Messages that the peer takes, at least two. For a batched channel, the pieces of a batch."""
    refused: Sequence[Outbound] = ()
    """Messages that the channel or its peer refuses for good."""
    peer: Callable[[], AbstractAsyncContextManager[Peer]] | None = None
    """Starts a provider on this machine and stops it. Without one, nothing is sent."""
    silent: Callable[[], AbstractAsyncContextManager[Peer]] | None = None
    """Starts a peer that takes connections and never answers; `silent_server` is one."""
    reports: Callable[[], Sequence[Any]] | None = None
    """Genuine calls of the provider, signed now, as `WebhookRequest`s."""
    ticket: BatchTicket | None = None
    """For a batched channel: the ticket of the batch that `messages` make."""
    secrets: Sequence[str] = ()
    """Values of the config that are secret although no Secret holds them."""
    now: datetime = NOW
    limit_s: float = 60.0
    """How long one check may take."""


class Defect(Exception):
    """What a check found wrong."""


class NotApplicable(Exception):
    """Why a check says nothing about this channel."""


class Bench:
    """Builds the channel as the gateway would, and keeps what it logs. One bench per check."""

    def __init__(self, case: Case, folder: Path, http: aiohttp.ClientSession) -> None:
        self.case = case
        self.folder = folder
        self.recorder = Recorder()
        self._http = http

    @property
    def capabilities(self) -> Any:
        return self.case.channel.capabilities  # type: ignore[attr-defined]  # examined before

    def config(self, overrides: Mapping[str, Any]) -> Any:
        kind, config_type = self.case.channel.kind, self.case.channel.config_type  # type: ignore[attr-defined]
        return configuration.decode(kind, {**self.case.config, **overrides}, config_type)

    def build(self, overrides: Mapping[str, Any] | None = None) -> Any:
        files = self.folder / "files"
        files.mkdir(exist_ok=True)
        context = Context(
            http=self._http,
            now=lambda: self.case.now,
            log=self.recorder.log,
            files=files,
            hook_url="https://gateway.example/hooks/sample",
        )
        return self.case.channel(self.config(overrides or {}), context)

    @asynccontextmanager
    async def opened(self, overrides: Mapping[str, Any] | None = None) -> AsyncIterator[Any]:
        """The channel, opened and closed again."""
        channel = self.build(overrides)
        await self.in_time("open", channel.open())
        try:
            yield channel
        finally:
            await self.in_time("close", channel.close())

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[tuple[Any, Peer]]:
        """The channel, opened and facing the author's peer."""
        if self.case.peer is None:
            raise NotApplicable("the case names no `peer`")
        async with self.case.peer() as peer, self.opened(peer.config) as channel:
            yield channel, self.complete(peer)

    def complete(self, peer: Peer) -> Peer:
        """The peer with the case's messages where it brings none of its own."""
        return Peer(
            config=peer.config,
            messages=peer.messages or self.case.messages,
            refused=peer.refused or self.case.refused,
        )

    async def sent(self, channel: Any, batch: Sequence[Outbound]) -> list[Any]:
        """All that the channel yields for a batch."""
        return await self.in_time("send", _all_of(channel, batch))

    async def in_time(self, name: str, work: Coroutine[Any, Any, T]) -> T:
        limit_s = self.capabilities.timeout_s
        try:
            return await within(limit_s, tame(work), grace_s=2.0)
        except TimeoutError:
            raise Defect(f"`{name}` did not end within the channel's own timeout_s of {limit_s:g} s") from None

    def secrets(self) -> Iterator[str]:
        """The secret values of the config."""
        yield from self.case.secrets
        yield from configuration.secrets(self.case.config, self.case.channel.config_type)  # type: ignore[attr-defined]


@asynccontextmanager
async def bench(case: Case, folder: Path) -> AsyncIterator[Bench]:
    """A bench whose HTTP session reaches this machine."""
    async with guarded_session(_THIS_MACHINE) as http:
        yield Bench(case, folder, http)


async def tame(work: Coroutine[Any, Any, T]) -> T:
    """The same work, fit for a task of its own: SystemExit would leave the task and end the program."""
    try:
        return await work
    except (SystemExit, KeyboardInterrupt) as error:
        raise Defect(wording.where(error)) from error


async def _all_of(channel: Any, batch: Sequence[Outbound]) -> list[Any]:
    return [outcome async for outcome in channel.send(batch)]
