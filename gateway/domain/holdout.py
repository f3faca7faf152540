"""Who is left out, to know what the messages bring: a stable share of people, by a hash of their id.

The same person is in or out however often it is asked, on every machine; another salt draws anew.
"""

from hashlib import blake2b
from typing import Final, Literal

Held = Literal["job", "global"]

_PARTS: Final = 2**64


def drawn(salt: str, id: str) -> float:
    """A number in [0, 1), evenly spread over ids and the same for equal ones."""
    digest = blake2b(id.encode(), digest_size=8, key=blake2b(salt.encode(), digest_size=32).digest()).digest()
    # Exact: a float has 53 bits, so that the largest draw does not become 1.
    return (int.from_bytes(digest) >> 11) / (_PARTS >> 11)


def held_out(id: str, *, job_share: float, job_salt: str, global_share: float, global_salt: str) -> Held | None:
    """Whether a person is held out by every job, or by this one."""
    if global_share and drawn(f"global:{global_salt}", id) < global_share:
        return "global"
    return "job" if job_share and drawn(f"job:{job_salt}", id) < job_share else None
