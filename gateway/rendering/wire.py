"""What goes over the pipes between the gateway and a worker: frames of a length and msgpack.

A frame is four bytes of length, big-endian, and as many bytes. The worker's first frame
is READY; then each Work is answered by a list of results in its order.
"""

from collections.abc import Sequence
from typing import BinaryIO, Final

from msgspec import Raw, Struct, msgpack

from gateway.domain.templates import RenderContext
from gateway.rendering.batch import Result

HEAD_BYTES: Final = 4
LARGEST_FRAME_BYTES: Final = 512 * 1024 * 1024
READY: Final = b"ready 1"


class Work(Struct, frozen=True, kw_only=True):
    """`digest` is the content's SHA-256, so that a worker compiles it once; `limit_s` ends the worker."""

    digest: str
    limit_s: float
    content: Raw
    contexts: Sequence[RenderContext]


class RawWork(Struct, frozen=True, kw_only=True):
    """Work as the gateway writes it: every context encoded before, and once."""

    digest: str
    limit_s: float
    content: Raw
    contexts: Sequence[Raw]


def framed(payload: bytes) -> bytes:
    if len(payload) > LARGEST_FRAME_BYTES:
        raise ValueError(f"a frame of {len(payload)} bytes; at most {LARGEST_FRAME_BYTES} are read")
    return len(payload).to_bytes(HEAD_BYTES, "big") + payload


def payload_bytes(head: bytes) -> int:
    return int.from_bytes(head, "big")


def read_frame(inbox: BinaryIO) -> bytes | None:
    """The next frame, or None where the other side has closed the pipe, in the middle of a frame too."""
    head = inbox.read(HEAD_BYTES)
    if len(head) < HEAD_BYTES:
        return None
    payload = inbox.read(payload_bytes(head))
    return payload if len(payload) == payload_bytes(head) else None


def write_frame(outbox: BinaryIO, payload: bytes) -> None:
    outbox.write(framed(payload))
    outbox.flush()


encode = msgpack.Encoder().encode
encode_sorted = msgpack.Encoder(order="deterministic").encode
"""Equal values give equal bytes, however their mappings are ordered. Keys must be text."""
decode_work = msgpack.Decoder(Work).decode
decode_results = msgpack.Decoder(list[Result]).decode
