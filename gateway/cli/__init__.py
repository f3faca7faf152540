"""The command `risveglio`."""

from gateway.cli.commands import main

__all__ = ["main"]
