"""The one way out for channels that speak HTTP: it reaches the public internet and nothing else.

The guard stands where the socket is made, after names are resolved. So it also covers IP
literals, redirects and names that change their address between a check and a connection.
"""

import errno
import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final

import aiohttp

ANSWER_LIMIT_BYTES: Final = 1_048_576
"""The longest answer that is read. Providers' answers are a few kilobytes."""

_GLOBAL_UNICAST: Final = ip_network("2000::/3")
"""The only part of IPv6 that is routed on the internet (RFC 4291, section 2.4; IANA registry)."""

_NOT_PUBLIC: Final = tuple(
    ip_network(text)
    for text in (
        "192.0.0.0/24",  # protocol assignments, a cloud's metadata service among them (RFC 6890)
        "192.88.99.0/24",  # 6to4 relays (RFC 7526)
        "168.63.129.16/32",  # the platform address inside Azure, public by its number only
        "2001::/32",  # Teredo carries an IPv4 address (RFC 4380)
        "2001:db8::/32",  # documentation (RFC 3849)
        "2002::/16",  # 6to4 carries an IPv4 address (RFC 3056)
        "3fff::/20",  # documentation (RFC 9637)
        "64:ff9b::/96",  # NAT64 carries an IPv4 address (RFC 6052)
        "64:ff9b:1::/48",  # NAT64 for local use (RFC 8215)
        "::/96",  # IPv4-compatible, deprecated (RFC 4291)
    )
)
"""What Python's `is_global` takes for public and is not, or may lead inside."""


class BlockedAddress(OSError):
    """A connection to an address that is not one of those allowed was refused, before it was made.

    aiohttp hands it on as `ClientConnectorError.os_error`. The text names no address: it may
    reach people who should not learn what the inside looks like.
    """

    def __init__(self, wanted: str = "an address of the public internet") -> None:
        super().__init__(
            errno.EACCES,
            f"refused: not {wanted}; if it is yours, add its network to `allow` under [egress] in gateway.toml",
        )


def guarded_session(allow: Sequence[IPv4Network | IPv6Network] = (), *, internet: bool = True) -> aiohttp.ClientSession:
    """A session that connects to public addresses (unless `internet` is off), and to those in `allow`.

    Call it inside the running loop and close it there. It keeps no cookies, since channels
    share it, reads no proxy from the environment, and refuses answers over ANSWER_LIMIT_BYTES.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=200, ttl_dns_cache=60, socket_factory=_socket_factory(tuple(allow), internet)
        ),
        timeout=aiohttp.ClientTimeout(total=60, sock_connect=10, sock_read=30),
        cookie_jar=aiohttp.DummyCookieJar(),
        response_class=_ShortResponse,
        trust_env=False,
    )


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address belongs to the public internet, whatever IPv4 address it may wrap."""
    address = _unwrapped(address)
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    if address.is_multicast or not address.is_global:
        return False
    return not any(address in network for network in _NOT_PUBLIC)


def _socket_factory(allow: tuple[IPv4Network | IPv6Network, ...], internet: bool) -> Callable[[Any], socket.socket]:
    wanted = "an address of the public internet" if internet else "in a network where plain http is allowed"

    def connectable(found: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, where = found
        if family not in (socket.AF_INET, socket.AF_INET6):
            raise BlockedAddress(wanted)
        address = _unwrapped(ip_address(where[0]))
        if not ((internet and is_public(address)) or any(address in network for network in allow)):
            raise BlockedAddress(wanted)
        return socket.socket(family, kind, protocol)

    return connectable


def _unwrapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    # A v4-mapped address is the IPv4 address itself to the kernel (RFC 4291, section 2.5.5.2).
    return getattr(address, "ipv4_mapped", None) or address


class _ShortResponse(aiohttp.ClientResponse):
    """An answer that is read whole up to a limit, decompressed size included, and never beyond."""

    async def read(self) -> bytes:
        if self._body is None:
            self._body = await self._read_within_limit()
        return await super().read()

    async def _read_within_limit(self) -> bytes:
        read = bytearray()
        async for chunk in self.content.iter_chunked(65_536):
            read += chunk
            if len(read) > ANSWER_LIMIT_BYTES:
                self.close()
                raise aiohttp.ClientPayloadError(f"the answer is longer than {ANSWER_LIMIT_BYTES} bytes")
        return bytes(read)
