"""A worker process: `python -m gateway.rendering.worker MEMORY_BYTES`, fed through its standard input.

It ends when its input is closed, so it never outlives the gateway by more than the work in hand.
"""

import sys
from collections import OrderedDict
from typing import BinaryIO, Final

import msgspec

from gateway.domain.templates import ChannelContent, CompiledContent, RenderContext, TemplateInvalid, compile_content
from gateway.rendering import limits, wire
from gateway.rendering.batch import RenderFailure, Result, invalid_content, render_one

CACHED_CONTENTS: Final = 32
GRACE_S: Final = 1.0
"""How much longer than the gateway's clock the worker's own runs."""

PROBE_BYTES: Final = 32 * 1024 * 1024


def main() -> None:
    inbox, outbox = sys.stdin.buffer, sys.stdout.buffer
    # Whatever prints must not end up between the frames.
    sys.stdout = sys.stderr
    limits.confine(int(sys.argv[1]))
    # Too small a limit shows here and not in the first message.
    bytearray(PROBE_BYTES)
    try:
        serve(inbox, outbox)
    except BrokenPipeError:
        sys.stderr.close()


def serve(inbox: BinaryIO, outbox: BinaryIO) -> None:
    """Answer each Work until the gateway closes the pipe."""
    desk = Desk()
    wire.write_frame(outbox, wire.READY)
    while (frame := wire.read_frame(inbox)) is not None:
        work = wire.decode_work(frame)
        limits.end_after(work.limit_s + GRACE_S)
        answer = wire.encode(desk.results(work))
        limits.end_after(0)
        wire.write_frame(outbox, answer)


class Desk:
    """The contents that this worker has compiled, the latest used ones."""

    def __init__(self) -> None:
        self._compiled: OrderedDict[str, CompiledContent] = OrderedDict()

    def results(self, work: wire.Work) -> list[Result]:
        try:
            compiled = self._content(work)
        except TemplateInvalid as invalid:
            return [invalid_content(invalid)] * len(work.contexts)
        return [self._result(compiled, context) for context in work.contexts]

    def _content(self, work: wire.Work) -> CompiledContent:
        if work.digest not in self._compiled:
            content = msgspec.msgpack.decode(work.content, type=ChannelContent)
            self._compiled[work.digest] = compile_content(content)
            if len(self._compiled) > CACHED_CONTENTS:
                self._compiled.popitem(last=False)
        self._compiled.move_to_end(work.digest)
        return self._compiled[work.digest]

    def _result(self, compiled: CompiledContent, context: RenderContext) -> Result:
        try:
            return render_one(compiled, context)
        except Exception as bug:
            return RenderFailure(code="render-bug", detail=type(bug).__name__)


if __name__ == "__main__":
    main()
