"""A log that keeps what is written to it, so that a check can read it."""

from collections.abc import MutableMapping
from typing import Any

import structlog


class Recorder:
    """`log` is a structlog logger; `entries` is all that was written to it or to what was bound from it."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self.log: Any = structlog.wrap_logger(None, processors=[self._keep], wrapper_class=structlog.BoundLogger)

    def names(self) -> list[str]:
        """The names of the events, in their order."""
        return [entry["event"] for entry in self.entries]

    def _keep(self, logger: Any, level: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        self.entries.append({**entry, "level": level})
        raise structlog.DropEvent
