"""The same request twice is one request (draft-ietf-httpapi-idempotency-key-header)."""

from collections.abc import Callable
from typing import NamedTuple

from gateway.services.problems import InProgress, KeyReused
from gateway.storage import clock, idempotency, locks
from gateway.storage.database import Transaction


class Answer(NamedTuple):
    """A status and a body, and whether they were given before."""

    status: int
    body: bytes
    replayed: bool = False


def once(
    tx: Transaction,
    client: str,
    route: str,
    key: str,
    fingerprint: bytes,
    act: Callable[[Transaction], Answer],
) -> Answer:
    """Act, and keep the answer in the same transaction; or give the answer that was kept.

    The key belongs to the client, whichever of its API keys it uses. Raises InProgress
    where the same key is being worked on, KeyReused where it came with another request.
    """
    if not locks.try_lock_name(tx, f"{client}\0{route}\0{key}"):
        raise InProgress
    before = kept(tx, client, route, key, fingerprint)
    if before is not None:
        return before
    answer = act(tx)
    idempotency.put(
        tx,
        client,
        route,
        key,
        fingerprint=fingerprint,
        status=answer.status,
        body=answer.body,
        now=clock.now(tx).machine,
    )
    return answer


def kept(tx: Transaction, client: str, route: str, key: str, fingerprint: bytes) -> Answer | None:
    """The answer that was given before. Raises KeyReused where the key came with another request."""
    before = idempotency.get(tx, client, route, key)
    if before is None:
        return None
    if bytes(before.fingerprint) != fingerprint:
        raise KeyReused
    return Answer(before.status, bytes(before.body), replayed=True)


def settle(tx: Transaction, client: str, route: str, key: str, answer: Answer) -> None:
    """Keep this answer from now on. The one that `once` kept said only what was known before the deed."""
    idempotency.settle(tx, client, route, key, status=answer.status, body=answer.body)
