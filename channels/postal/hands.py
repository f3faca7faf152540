"""Typesetting by several hands at once: the typesetter lets go of the interpreter while it works."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Final

from channels.postal.card import Card
from channels.postal.typeset import CHUNK, Typesetter
from gateway.contract import PiecesRefused, Refusal

_AHEAD: Final = 2
"""Chunks that each hand may be ahead of whoever takes them: they are in memory."""


def in_type(hands: Sequence[Typesetter], cards: Sequence[Card]) -> Iterator[bytes]:
    """The cards as PDFs of a chunk each, in their order, whatever the number of hands.

    All cards are tried before PiecesRefused is raised, with all that were refused.
    """
    idle: SimpleQueue[Typesetter] = SimpleQueue()
    for hand in hands:
        idle.put(hand)

    def set_in_type(chunk: Sequence[Card]) -> list[bytes]:
        hand = idle.get()
        try:
            return list(hand.pdfs(chunk))
        finally:
            idle.put(hand)

    refusals: list[Refusal] = []
    waiting: deque[Future[list[bytes]]] = deque()
    with ThreadPoolExecutor(len(hands), thread_name_prefix="typeset") as threads:
        for start in range(0, len(cards), CHUNK):
            waiting.append(threads.submit(set_in_type, cards[start : start + CHUNK]))
            if len(waiting) == _AHEAD * len(hands):
                yield from _taken(waiting.popleft(), refusals)
        while waiting:
            yield from _taken(waiting.popleft(), refusals)
    if refusals:
        raise PiecesRefused(refusals)


def _taken(done: Future[list[bytes]], refusals: list[Refusal]) -> list[bytes]:
    try:
        return done.result()
    except PiecesRefused as refused:
        refusals += refused.refusals
        return []
