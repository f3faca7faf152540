"""The tables of `gateway.toml`, each a Struct, and what all three files come to."""

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import SplitResult, urlsplit

from msgspec import Meta, Struct

from gateway.contract import Secret
from gateway.domain.policy import Policies
from gateway.settings.hosts import fault_of_public_url, is_loopback

KeyId = Annotated[int, Meta(ge=1, le=255)]
"""One byte, because every token carries it."""
Port = Annotated[int, Meta(ge=0, le=65535)]
_KEY_BYTES: Final = 32
_DISTINCT_CHARACTERS: Final = 8


class Database(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where everything is kept. `url` is a SQLAlchemy URL: SQLite, or PostgreSQL through psycopg.

    A relative SQLite path starts at `data_dir`. Secret, because it may hold a password.
    """

    url: Secret = Secret("sqlite:///risveglio.db")
    pool_size: Annotated[int, Meta(ge=1, le=200)] = 10
    """Connections that one process may hold; PostgreSQL only."""

    def __post_init__(self) -> None:
        scheme, found, rest = self.url.reveal().partition("://")
        if scheme not in ("sqlite", "postgresql", "postgresql+psycopg", "postgres") or not found or not rest:
            raise ValueError("url: must start with sqlite:/// or postgresql://")
        if scheme == "sqlite" and not rest.removeprefix("/").partition("?")[0].removesuffix(":memory:"):
            raise ValueError(
                "url: must name a file, such as sqlite:///risveglio.db: what is sent must outlive the process"
            )


class Server(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the API listens, and what the world calls it. Once loaded, `public_url` and `allowed_hosts` are set."""

    host: str = "127.0.0.1"
    port: Port = 8080
    """0 takes any free port."""
    public_url: str | None = None
    """The base of every link in a message and of every provider's call back. Empty: `http://host:port`, for a trial."""
    max_body_bytes: Annotated[int, Meta(ge=1024)] = 16 * 1024 * 1024
    allowed_hosts: tuple[str, ...] = ()
    """Names that requests may be addressed to. Empty: the public one, and this machine's where it listens there."""

    def __post_init__(self) -> None:
        if not self.public_url and not is_loopback(self.host):
            raise ValueError("public_url: must be set where the gateway listens to more than this machine")
        fault = fault_of_public_url(self.public_url) if self.public_url else None
        if fault:
            raise ValueError(f"public_url: {fault}")


class Links(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How links in messages look."""

    short_url: str | None = None
    """The base of short links, on a host of their own, such as https://r.example.com. Empty: no link is short."""

    def __post_init__(self) -> None:
        fault = fault_of_public_url(self.short_url) if self.short_url else None
        if fault:
            raise ValueError(f"short_url: {fault}")


class Keys(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The gateway's own secrets, each of 32 bytes or more.

    New tokens are made with `current`; what was made with the others of the `ring` still holds,
    so an old key stays for as long as links in sent messages should work. `pepper` hashes
    suppressed addresses: whoever changes it forgets all suppressions.
    """

    current: KeyId
    ring: dict[KeyId, Secret]
    pepper: Secret

    def __post_init__(self) -> None:
        if self.current not in self.ring:
            raise ValueError(f"current: no key {self.current} in the ring; it has {sorted(self.ring)}")
        named = {f"ring.{key_id}": secret for key_id, secret in self.ring.items()} | {"pepper": self.pepper}
        for name, secret in named.items():
            fault = _fault_of_key(secret.reveal())
            if fault:
                raise ValueError(f"{name}: {fault}")
        if len({secret.reveal() for secret in named.values()}) < len(named):
            raise ValueError("ring: two keys are the same; each must be made on its own")


class Worker(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the workers go about it. The defaults were measured; change them with `risveglio bench` at hand."""

    poll_s: Annotated[float, Meta(gt=0, le=60)] = 1.0
    """The pause after finding nothing to do."""
    lease_s: Annotated[float, Meta(ge=5, le=3600)] = 30.0
    """So long a claim outlives a process that is lost, or that a channel blocks. While a process lives it prolongs its
    claims every third of it, however long a channel takes."""
    drain_s: Annotated[float, Meta(ge=0, le=600)] = 20.0
    """How long a worker may finish what is in flight after SIGTERM."""
    claim_size: Annotated[int, Meta(ge=1, le=2000)] = 200
    """The most sends in one claim."""
    page_size: Annotated[int, Meta(ge=1, le=10_000)] = 1000
    """Recipients that are planned in one transaction."""
    render_processes: Annotated[int, Meta(ge=1, le=64)] = 1


class Egress(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where channels may connect to besides the public internet."""

    allow: tuple[str, ...] = ()
    """Private networks, such as `10.1.0.0/16`; a single address is a network of one."""

    def __post_init__(self) -> None:
        for network in self.allow:
            try:
                ip_network(network)
            except ValueError as error:
                raise ValueError(f"allow: {error}") from error

    @property
    def networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        return tuple(ip_network(network) for network in self.allow)


class Plugins(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the operator's own channels are. Only those that `channels.toml` names are used."""

    folder: Path = Path("../plugins")


class Log(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is written to the standard error, one event a line, without people in it."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"


class Metrics(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where processes without an API show their counters to Prometheus. The API shows its own, at /metrics, for a key.

    Nobody is asked for a key here: whoever reaches the port may read it.
    """

    port: Port | None = None
    """0 takes any free port; without one nothing is shown."""
    host: str = "127.0.0.1"


class GatewayFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of `gateway.toml`."""

    data_dir: Path = Path("../data")
    database: Database = Database()
    server: Server = Server()
    links: Links = Links()
    keys: Keys
    worker: Worker = Worker()
    egress: Egress = Egress()
    plugins: Plugins = Plugins()
    log: Log = Log()
    metrics: Metrics = Metrics()

    def __post_init__(self) -> None:
        short = urlsplit(self.links.short_url or "").hostname
        if short and short == (urlsplit(self.server.public_url or "").hostname or self.server.host):
            raise ValueError("links.short_url: needs a host of its own, another than that of server.public_url")


class ChannelTable(Mapping[str, Any]):
    """A channel's table with everything put in, for the channel's own config type to read.

    It prints its keys only: which of its values are secrets is known to the channel alone.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"ChannelTable({', '.join(self._values)})"


class Settings(Struct, frozen=True, kw_only=True):
    """The settings of one process. All paths are absolute."""

    folder: Path
    data_dir: Path
    database: Database
    server: Server
    links: Links
    keys: Keys
    worker: Worker
    egress: Egress
    plugins: Plugins
    log: Log
    metrics: Metrics
    channels: Mapping[str, ChannelTable]
    lacking: Mapping[str, str] = {}
    """By channel, what its table takes from elsewhere and is not there; empty where the settings had to be complete."""
    policies: Policies

    @property
    def public_url(self) -> str:
        """The public base URL, without a slash at the end."""
        return self.server.public_url or _own_url(self.server)


def resolved_links(links: Links) -> Links:
    return Links(short_url=links.short_url.rstrip("/") if links.short_url else None)


def resolved_server(server: Server, links: Links) -> Server:
    """The same with `public_url` and `allowed_hosts` filled in."""
    public_url = (server.public_url or _own_url(server)).rstrip("/")
    return Server(
        host=server.host,
        port=server.port,
        public_url=public_url,
        max_body_bytes=server.max_body_bytes,
        allowed_hosts=(server.allowed_hosts or _own_hosts(server, urlsplit(public_url))) + _short_host(links),
    )


def _own_url(server: Server) -> str:
    host = f"[{server.host}]" if ":" in server.host else server.host
    return f"http://{host}:{server.port}"


def _own_hosts(server: Server, public: SplitResult) -> tuple[str, ...]:
    local = ("127.0.0.1", "localhost") if is_loopback(server.host) else ()
    return tuple(dict.fromkeys((public.hostname or "", *local)))


def _short_host(links: Links) -> tuple[str, ...]:
    return (urlsplit(links.short_url).hostname or "",) if links.short_url else ()


def _fault_of_key(key: str) -> str | None:
    if len(key.encode()) < _KEY_BYTES:
        return f"has {len(key.encode())} bytes and needs {_KEY_BYTES}; make one with: openssl rand -base64 48"
    if len(set(key)) < _DISTINCT_CHARACTERS:
        return "looks like a placeholder; make a random one with: openssl rand -base64 48"
    return None
