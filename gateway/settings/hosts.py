"""Which hosts are this machine, and which URLs may stand in messages."""

from ipaddress import ip_address
from urllib.parse import urlsplit


def fault_of_public_url(url: str) -> str | None:
    """Why this URL cannot be the base of the links in messages; None where it can."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return "is no URL"
    if parts.scheme not in ("https", "http") or not host:
        return "must be a URL such as https://gateway.example.com"
    if parts.scheme == "http" and not is_loopback(host):
        return "must be https; http is for this machine alone"
    if parts.username or parts.password:
        return "must have no user name or password: it stands in every message"
    if parts.path.strip("/") or parts.query or parts.fragment:
        return "must end after the host and port: the gateway needs a name of its own"
    return None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`, a name or an IP address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
