"""Finds the channels, checks and configures them, and stands between them and the gateway."""

from gateway.registry.discovery import Catalogue, Provider, discover
from gateway.registry.egress import BlockedAddress, guarded_session
from gateway.registry.guarded import Guarded
from gateway.registry.registry import Installed, Loan, Registry, Setup, configure, open_registry

__all__ = [
    "BlockedAddress",
    "Catalogue",
    "Guarded",
    "Installed",
    "Loan",
    "Provider",
    "Registry",
    "Setup",
    "configure",
    "discover",
    "guarded_session",
    "open_registry",
]
