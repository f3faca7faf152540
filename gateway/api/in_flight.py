"""The idempotency keys that this process is working on."""

import contextlib
from collections.abc import Iterator

from gateway.services.problems import InProgress


class InFlight:
    """Covers a whole request, also while it waits for the database; other processes are kept apart there."""

    def __init__(self) -> None:
        self._keys: set[tuple[str, str, str]] = set()

    @contextlib.contextmanager
    def hold(self, client: str, route: str, key: str) -> Iterator[None]:
        """Raises InProgress where the key is held already."""
        name = (client, route, key)
        if name in self._keys:
            raise InProgress
        self._keys.add(name)
        try:
            yield
        finally:
            self._keys.discard(name)
