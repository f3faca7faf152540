"""Frames, and what a worker keeps between them."""

import io

import pytest
from msgspec import Raw

from gateway.contract import Part
from gateway.domain.templates import ChannelContent, JobNames, RecipientNames, RenderContext
from gateway.rendering import Rendered, RenderFailure, wire
from gateway.rendering.worker import CACHED_CONTENTS, Desk


def work(number: int, *names: str) -> wire.Work:
    content = ChannelContent(
        variants={"it": {"line": f"{{{{ recipient.name }}}} {number}"}},
        parts={"line": Part(kind="line")},
        default_locale="it",
    )
    contexts = [
        Raw(wire.encode(RenderContext(recipient=RecipientNames(name=name), job=JobNames(name="j"), locale="it")))
        for name in names
    ]
    raw = wire.RawWork(
        digest=f"digest {number}", limit_s=1, content=Raw(wire.encode_sorted(content)), contexts=contexts
    )
    return wire.decode_work(wire.encode(raw))


def test_frames_come_back_as_they_were_written() -> None:
    pipe = io.BytesIO()
    for payload in (b"", b"x", b"y" * 70_000):
        wire.write_frame(pipe, payload)
    pipe.seek(0)
    assert [wire.read_frame(pipe) for _ in range(4)] == [b"", b"x", b"y" * 70_000, None]


@pytest.mark.parametrize("cut", [1, 3, 4, 6])
def test_a_pipe_closed_within_a_frame_is_an_end_and_no_frame(cut: int) -> None:
    assert wire.read_frame(io.BytesIO(wire.framed(b"abc")[:cut])) is None


def test_results_keep_their_kind_over_the_wire() -> None:
    results = [
        Rendered(locale="it", parts={"line": "Γειά"}),
        RenderFailure(code="missing-value", detail="d", part="line", name="vars.x", line=3),
    ]
    assert wire.decode_results(wire.encode(results)) == results


def test_equal_contents_give_equal_bytes_however_they_are_ordered() -> None:
    parts = {"a": Part(kind="line"), "b": Part(kind="text")}
    one = ChannelContent(variants={"it": {"a": "1", "b": "2"}}, parts=parts, default_locale="it")
    other = ChannelContent(
        variants={"it": {"b": "2", "a": "1"}}, parts=dict(reversed(parts.items())), default_locale="it"
    )
    assert wire.encode_sorted(one) == wire.encode_sorted(other)


def test_a_worker_forgets_the_contents_it_has_not_used_for_long_and_still_answers_for_them() -> None:
    desk = Desk()
    for number in (*range(CACHED_CONTENTS + 5), 0, CACHED_CONTENTS, 0):
        [result] = desk.results(work(number, "Ёлкина"))
        assert result == Rendered(locale="it", parts={"line": f"Ёлкина {number}"})
