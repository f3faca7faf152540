"""What an author tells the kit about a channel, and the bench on which the kit tries it."""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import aiohttp
from msgspec import Struct

from gateway.contract import BatchTicket, Context, Outbound
from gateway.registry import configuration, guarded_session, wording
from gateway.registry.configuration import ConfigFault
from gateway.registry.patience import within
from gateway.testkit.peers import HttpPeer, Provider, Reply, always, http_peer
from gateway.testkit.recorder import Recorder
from gateway.testkit.samples import NOW
from gateway.testkit.watch import attended

T = TypeVar("T")

_THIS_MACHINE: Final = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


class Peer(Struct, frozen=True, kw_only=True):
    """A running provider to talk to. `config` overrides keys of the case's config: `{"port": 40123}`.

    `messages`, `refused` and `gone` replace the case's where the addresses must point at the peer.
    """

    config: Mapping[str, Any] = {}
    messages: Sequence[Outbound] = ()
    refused: Sequence[Outbound] = ()
    gone: Sequence[Outbound] = ()


Start = Callable[[], AbstractAsyncContextManager[Peer]]
"""Starts a peer on this machine and stops it."""


class Case(Struct, frozen=True, kw_only=True):
    """A channel and all that is needed to try it. The more an author gives, the more is checked.

    A channel that speaks HTTP gives `provider` and `url_key`, and the kit plays all other parts: the provider that is
    away, that hangs, that refuses our credentials, that talks nonsense. One that speaks anything else starts its
    peers itself: `peer`, `silent`, `mute`, `denied`, `throttled`, `failing`.
    """

    channel: type
    config: Mapping[str, Any] | None
    """The table as it stands in channels.toml, valid without any peer. None: nothing that must be built is tried."""
    messages: Sequence[Outbound]
    """Messages that the peer takes, at least two. For a batched channel, the pieces of a batch.

    Without any, the case is nobody's: what an author would have to give is not asked for.
    """
    refused: Sequence[Outbound] = ()
    """Messages that the channel or its peer refuses for good."""
    gone: Sequence[Outbound] = ()
    """Messages whose addresses the peer calls dead."""

    provider: Provider | None = None
    """What the provider answers over HTTP, in one function. Without it and `peer`, nothing is sent."""
    url_key: str | None = None
    """The key of the config that takes the provider's URL; its path stays as it is in `config`."""
    reach: Callable[[str], Peer] | None = None
    """In place of `url_key`: what it takes to reach a provider at this URL, where addresses have to point there."""

    peer: Start | None = None
    """In place of `provider`: starts one that speaks something else than HTTP, or keeps more in mind."""
    silent: Start | None = None
    """Starts a peer that takes connections and never answers; `silent_server` is one."""
    mute: Start | None = None
    """Starts a peer that takes a whole message and never says what became of it."""
    denied: Start | Reply | None = Reply(status=401)
    """How the provider says that our credentials are wrong."""
    throttled: Start | Reply | None = Reply(status=429, headers={"Retry-After": "7"})
    """How it asks us to slow down."""
    throttled_s: float = 7.0
    """For how long, then."""
    failing: Start | Reply | None = Reply(status=500, body="<h1>Internal Server Error</h1>")
    """How it says that it is in trouble."""
    gone_as: Reply | None = None
    """How it says that an address is dead, where that is an answer of its own, such as 410."""

    hasty: Mapping[str, Any] = {}
    """Overrides of `config` for the checks that wait in vain; `timeout_s`, where there is one, is small anyway."""
    reports: Callable[[], Sequence[Any]] | None = None
    """Genuine calls of the provider that tell of events, signed now, as `WebhookRequest`s."""
    replies: Callable[[], Sequence[Any]] | None = None
    """Genuine calls that bring what people wrote back."""
    ticket: BatchTicket | None = None
    """For a batched channel: the ticket of the batch that `messages` make."""
    secrets: Sequence[str] = ()
    """Values of the config that are secret although no Secret holds them."""
    waived: Mapping[str, str] = {}
    """By name, why a check that the case gives nothing for says nothing about this channel. A failure stays one."""
    now: datetime = NOW
    limit_s: float = 60.0
    """How long one check may take."""


class Defect(Exception):
    """What a check found wrong."""


class TooLate(Defect):
    """The channel was still at it when its time was over."""


class NotApplicable(Exception):
    """Why a check says nothing about this channel: it promises no such thing."""


class NotTried(NotApplicable):
    """What the case lacks for a check that is about this channel."""


class Bench:
    """Builds the channel as the gateway would, and keeps what it logs. One bench per check."""

    def __init__(self, case: Case, folder: Path, http: aiohttp.ClientSession) -> None:
        self.case = case
        self.folder = folder
        self.recorder = Recorder()
        self.held_up: set[str] = set()
        """What held up the loop while the channel was sending."""
        self._http = http

    @property
    def capabilities(self) -> Any:
        return self.case.channel.capabilities  # type: ignore[attr-defined]  # examined before

    @property
    def speaks_http(self) -> bool:
        """Whether the kit can play the provider."""
        return self.case.url_key is not None or self.case.reach is not None

    @property
    def table(self) -> Mapping[str, Any]:
        """The case's config. Raises NotTried where it has none."""
        if self.case.config is None:
            raise NotTried("no config is known that the channel takes")
        return self.case.config

    def config(self, overrides: Mapping[str, Any]) -> Any:
        kind, config_type = self.case.channel.kind, self.case.channel.config_type  # type: ignore[attr-defined]
        return configuration.decode(kind, {**self.table, **overrides}, config_type)

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
        try:
            await self.in_time("open", channel.open())
            yield channel
        finally:
            await self.in_time("close", channel.close())

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[tuple[Any, Peer]]:
        """The channel, opened and facing the author's peer."""
        async with self.started() as peer, self.opened(peer.config) as channel:
            yield channel, peer

    @asynccontextmanager
    async def started(self) -> AsyncIterator[Peer]:
        """The author's peer, with the case's messages where it brings none of its own."""
        if self.case.peer is not None:
            async with self.case.peer() as peer:
                yield self._complete(peer)
        elif self.case.provider is not None:
            async with self.facing(self.case.provider) as (peer, _):
                yield peer
        else:
            raise NotTried("the case names neither a `provider` nor a `peer`")

    @asynccontextmanager
    async def facing(self, provider: Provider | Reply) -> AsyncIterator[tuple[Peer, HttpPeer]]:
        """A provider over HTTP that answers so, and what it takes to reach it."""
        asked = always(provider) if isinstance(provider, Reply) else provider
        if not self.speaks_http:
            raise NotTried("the case names neither `url_key` nor `reach`, by which the kit could play the provider")
        async with http_peer(asked) as http:
            yield self._complete(self._reached(http.url)), http

    @asynccontextmanager
    async def troubled(self, trouble: Start | Reply) -> AsyncIterator[Peer]:
        """A peer in this kind of trouble."""
        if isinstance(trouble, Reply):
            async with self.facing(trouble) as (peer, _):
                yield peer
        else:
            async with trouble() as peer:
                yield self._complete(peer)

    def hasty(self, peer: Peer, timeout_s: float) -> dict[str, Any]:
        """The peer's config for a wait in vain, with this `timeout_s` where the channel's config has such a key."""
        config = {**peer.config, **self.case.hasty}
        try:
            self.config({**config, "timeout_s": timeout_s})
        except ConfigFault:
            return config
        return {**config, "timeout_s": timeout_s}

    def _reached(self, url: str) -> Peer:
        if self.case.reach is not None:
            return self.case.reach(url)
        key = str(self.case.url_key)
        return Peer(config={key: url + urlsplit(str(self.table.get(key, ""))).path})

    def _complete(self, peer: Peer) -> Peer:
        return Peer(
            config=peer.config,
            messages=peer.messages or self.case.messages,
            refused=peer.refused or self.case.refused,
            gone=peer.gone or self.case.gone,
        )

    async def sent(self, channel: Any, batch: Sequence[Outbound]) -> list[Any]:
        """All that the channel yields for a batch."""
        with attended() as held_up:
            try:
                return await self.in_time("send", _all_of(channel, batch))
            finally:
                self.held_up |= held_up

    async def in_time(self, name: str, work: Coroutine[Any, Any, T]) -> T:
        limit_s = self.capabilities.timeout_s
        try:
            return await within(limit_s, tame(work), grace_s=2.0)
        except TimeoutError:
            raise TooLate(f"`{name}` did not end within the channel's own timeout_s of {limit_s:g} s") from None

    def secrets(self) -> Iterator[str]:
        """The secret values of the config."""
        yield from self.case.secrets
        yield from configuration.secrets(self.table, self.case.channel.config_type)  # type: ignore[attr-defined]


@asynccontextmanager
async def bench(case: Case, folder: Path) -> AsyncIterator[Bench]:
    """A bench whose HTTP session reaches this machine."""
    async with guarded_session(_THIS_MACHINE) as http:
        yield Bench(case, folder, http)


async def tame(work: Coroutine[Any, Any, T]) -> T:
    """The channel's work, fit for a task of its own: SystemExit would leave the task and end the program."""
    try:
        with attended():
            return await work
    except (SystemExit, KeyboardInterrupt) as error:
        raise Defect(wording.where(error)) from error


async def _all_of(channel: Any, batch: Sequence[Outbound]) -> list[Any]:
    return [outcome async for outcome in channel.send(batch)]
