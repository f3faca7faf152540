"""Which policies a process starts with: a version of its own in the database, and a line in the audit log."""

from hashlib import sha256

import msgspec

from gateway.domain.policy import Policies
from gateway.storage import audit, clock, locks, policies
from gateway.storage.database import Transaction

_SUBJECT = "policies"


def note(tx: Transaction, wanted: Policies) -> tuple[str, ...]:
    """Note the policies if they are not those of the newest version. Returns the sections that changed."""
    body = msgspec.json.encode(wanted, order="deterministic")
    digest = sha256(body).hexdigest()
    # Of several processes that start at once, one writes; the others start with the same files.
    if not locks.try_lock_name(tx, _SUBJECT):
        return ()
    before = policies.newest(tx)
    if before is not None and before.hash == digest:
        return ()
    changed = _changed(None if before is None else bytes(before.body), body)
    policies.put_in_force(tx, digest, body, clock.now(tx).business)
    audit.add(tx, "gateway", "policies.changed", _SUBJECT, {"version": digest[:12], "sections": changed})
    return changed


def _changed(before: bytes | None, after: bytes) -> tuple[str, ...]:
    """The tables of policies.toml that differ; all of them in the first version."""
    old: dict[str, object] = {} if before is None else msgspec.json.decode(before)
    new: dict[str, object] = msgspec.json.decode(after)
    missing = object()
    return tuple(sorted(name for name in old | new if old.get(name, missing) != new.get(name, missing)))
