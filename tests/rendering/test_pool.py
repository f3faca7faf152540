"""The pool against real worker processes."""

import asyncio
import os
import select
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import uvloop

from gateway.contract import Part
from gateway.domain.templates import ChannelContent, CouponNames, JobNames, RecipientNames, RenderContext
from gateway.rendering import RenderBatch, Rendered, RenderFailure, RenderingUnavailable, RenderPool, render_here

PARTS = {"subject": Part(kind="line"), "html": Part(kind="html", max_chars=100_000)}
NAMES = ["Niccolò <b>", "Żaneta", "Александра", "Γεώργιος", "محمد", "👩‍👩‍👧‍👦"]
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc and waits on process descriptors")


def content(html: str, subject: str = "Ciao {{ recipient.name }}") -> ChannelContent:
    return ChannelContent(variants={"it": {"subject": subject, "html": html}}, parts=PARTS, default_locale="it")


def context(name: str | None = "Anna", **variables: Any) -> RenderContext:
    return RenderContext(
        recipient=RecipientNames(name=name),
        job=JobNames(name="risveglio"),
        locale="it-IT",
        zone="Europe/Rome",
        vars=variables,
        coupon=CouponNames(code="ABCD", title="-10 %", valid_until=datetime(2026, 1, 31, 23, 30, tzinfo=UTC)),
        links={0: "https://r.example/c/1"},
    )


LETTER = content(
    '<a href="{{ track("https://shop.example/") }}">{{ recipient.name }}</a> {{ coupon.valid_until|date }} {{ vars.n }}'
)
# Within every limit on sizes and turns, and still minutes of work for a long `big`.
SLOW = content("{% for x in vars.l %}{% if vars.big|title|upper == '' %}{% endif %}{% endfor %}{{ recipient.name }}")


def quick(name: str) -> RenderContext:
    return context(name, l=[1], big="x")


def endless(name: str = "Lenta") -> RenderContext:
    return context(name, l=[1] * 10_000, big="parola " * 14_000)


def workers_of(parent: int) -> set[int]:
    return {
        int(pid) for task in Path(f"/proc/{parent}/task").iterdir() for pid in (task / "children").read_text().split()
    }


def seen_in_proc(pid: int) -> tuple[bytes, str, set[str]]:
    """The environment, the limits and the targets of the open descriptors of a process."""
    folder = Path(f"/proc/{pid}")
    descriptors = {os.readlink(one) for one in (folder / "fd").iterdir()}
    return (folder / "environ").read_bytes(), (folder / "limits").read_text(), descriptors


def ended_within(pids: set[int], seconds: float) -> bool:
    """Whether all these processes end: waits on their descriptors."""
    descriptors = []
    for pid in pids:
        try:
            descriptors.append(os.pidfd_open(pid))
        except ProcessLookupError:
            continue
    try:
        return all(select.select([descriptor], [], [], seconds)[0] for descriptor in descriptors)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


async def test_results_come_in_order_and_equal_those_made_in_process() -> None:
    contexts = [context(f"{NAMES[n % len(NAMES)]} {n}", n=n) for n in range(350)]
    batch = RenderBatch(content=LETTER, contexts=contexts)
    async with RenderPool(processes=2) as pool:
        results = await pool.render(batch)
    assert results == render_here(batch)
    first = results[0]
    assert isinstance(first, Rendered)
    assert first.parts == {
        "subject": "Ciao Niccolò <b> 0",
        "html": '<a href="https://r.example/c/1">Niccolò &lt;b&gt; 0</a> 1 febbraio 2026 0',
    }


async def test_an_empty_batch_gives_nothing() -> None:
    async with RenderPool(processes=1) as pool:
        assert await pool.render(RenderBatch(content=LETTER, contexts=[])) == []


async def test_a_missing_value_fails_its_message_alone_and_is_named() -> None:
    contexts = [context("Anna", n=1), context("Bruno"), context(None, n=3), context("Dora", n=4)]
    async with RenderPool(processes=1) as pool:
        anna, bruno, nameless, dora = await pool.render(RenderBatch(content=LETTER, contexts=contexts))
    assert isinstance(anna, Rendered)
    assert isinstance(dora, Rendered)
    assert isinstance(bruno, RenderFailure)
    assert isinstance(nameless, RenderFailure)
    assert (bruno.code, bruno.part, bruno.name, bruno.line) == ("missing-value", "html", "vars.n", 1)
    assert (nameless.code, nameless.part, nameless.name) == ("missing-value", "html", "recipient.name")


async def test_a_content_that_was_never_accepted_fails_every_message() -> None:
    batch = RenderBatch(content=content("{{ ''.__class__ }}"), contexts=[context(), context()])
    async with RenderPool(processes=1) as pool:
        results = await pool.render(batch)
    assert results == render_here(batch)
    assert [result.code for result in results if isinstance(result, RenderFailure)] == ["content-invalid"] * 2


async def test_values_that_cannot_cross_the_pipe_fail_their_message_alone() -> None:
    contexts = [context(n=1), context(n=10**30), context("\ud800", n=1), context(n=2)]
    async with RenderPool(processes=1) as pool:
        results = await pool.render(RenderBatch(content=LETTER, contexts=contexts))
    assert [getattr(result, "code", "rendered") for result in results] == [
        "rendered",
        "render-refused",
        "render-refused",
        "rendered",
    ]


async def test_a_runaway_message_fails_alone_and_its_worker_is_replaced() -> None:
    contexts = [quick("Anna"), endless(), quick("Carlo")]
    async with RenderPool(processes=1, batch_timeout_s=0.5, message_timeout_s=0.5) as pool:
        anna, lenta, carlo = await pool.render(RenderBatch(content=SLOW, contexts=contexts))
        again = await pool.render(RenderBatch(content=SLOW, contexts=[quick("Dora")]))
    assert isinstance(lenta, RenderFailure)
    assert lenta.code == "render-timeout"
    assert [one.parts["html"] for one in (anna, carlo, *again) if isinstance(one, Rendered)] == [
        "Anna",
        "Carlo",
        "Dora",
    ]


async def test_a_batch_of_runaways_is_given_up_in_the_end() -> None:
    contexts = [endless() for _ in range(7)]
    async with RenderPool(processes=1, batch_timeout_s=0.2, message_timeout_s=0.2) as pool:
        results = await pool.render(RenderBatch(content=SLOW, contexts=contexts))
        later = await pool.render(RenderBatch(content=SLOW, contexts=[quick("Anna")]))
    codes = [result.code for result in results if isinstance(result, RenderFailure)]
    assert codes == ["render-timeout"] * 5 + ["render-abandoned"] * 2
    assert isinstance(later[0], Rendered)


async def test_a_message_that_eats_the_memory_fails_alone() -> None:
    hoard = content("".join(f"{{% set a{n} = vars.big|upper %}}" for n in range(900)) + "{{ recipient.name }}")
    contexts = [context("Anna", big="x"), context("Ingorda", big="x" * 100_000), context("Carlo", big="x")]
    async with RenderPool(processes=1, memory_bytes=96 * 1024 * 1024) as pool:
        results = await pool.render(RenderBatch(content=hoard, contexts=contexts))
    anna, ingorda, carlo = (getattr(result, "code", "rendered") for result in results)
    assert (anna, carlo) == ("rendered", "rendered")
    # Whether Python or the kernel says no first depends on the allocation that meets the limit.
    assert ingorda in ("render-refused", "render-crash")


@linux
async def test_a_worker_killed_by_the_machine_costs_no_message() -> None:
    before = workers_of(os.getpid())
    async with RenderPool(processes=2) as pool:
        for pid in workers_of(os.getpid()) - before:
            os.kill(pid, signal.SIGKILL)
        results = await pool.render(RenderBatch(content=LETTER, contexts=[context(n=n) for n in range(3)]))
    assert all(isinstance(result, Rendered) for result in results)


async def test_a_cancelled_rendering_does_not_leave_its_answer_to_the_next() -> None:
    async with RenderPool(processes=1, batch_timeout_s=60) as pool:
        slow = asyncio.create_task(pool.render(RenderBatch(content=SLOW, contexts=[endless()])))
        await asyncio.wait([slow], timeout=0.2)
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        [result] = await pool.render(RenderBatch(content=LETTER, contexts=[context("Dora", n=7)]))
    assert isinstance(result, Rendered)
    assert result.parts["subject"] == "Ciao Dora"


async def test_many_batches_share_few_workers() -> None:
    batches = [RenderBatch(content=LETTER, contexts=[context(n=n)] * 3) for n in range(20)]
    async with RenderPool(processes=2) as pool:
        results = await asyncio.gather(*(pool.render(batch) for batch in batches))
    assert results == [render_here(batch) for batch in batches]


@linux
async def test_leaving_the_pool_ends_its_workers() -> None:
    before = workers_of(os.getpid())
    async with RenderPool(processes=2):
        started = workers_of(os.getpid()) - before
        assert len(started) == 2
    assert not started & workers_of(os.getpid())


def test_a_pool_has_at_least_one_process() -> None:
    with pytest.raises(ValueError, match="at least one"):
        RenderPool(processes=0)


async def test_a_closed_pool_says_so() -> None:
    pool = RenderPool(processes=1)
    async with pool:
        pass
    with pytest.raises(RenderingUnavailable, match="closed"):
        await pool.render(RenderBatch(content=LETTER, contexts=[context(n=1)]))


@pytest.mark.skipif(sys.platform == "win32", reason="needs the limits of POSIX")
async def test_a_pool_that_cannot_start_says_how_to_find_out_why() -> None:
    with pytest.raises(RenderingUnavailable, match=r"gateway\.rendering\.worker"):
        async with RenderPool(processes=1, memory_bytes=1024):
            pass


@linux
async def test_a_worker_has_none_of_the_gateways_variables_and_its_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMTP_PASSWORD", "canary-of-the-gateway")
    before = workers_of(os.getpid())
    async with RenderPool(processes=1, memory_bytes=300 * 1024 * 1024):
        [pid] = workers_of(os.getpid()) - before
        environment, limits, descriptors = seen_in_proc(pid)
    assert b"canary" not in environment
    assert f"{300 * 1024 * 1024}" in next(line for line in limits.splitlines() if line.startswith("Max address space"))
    assert next(line for line in limits.splitlines() if line.startswith("Max file size")).split()[3:5] == ["0", "0"]
    assert all(target.startswith("pipe:") or target == "/dev/null" for target in descriptors)


def test_the_pool_works_under_uvloop_and_in_a_thread() -> None:
    async def through_the_pool() -> list[Any]:
        async with RenderPool(processes=1) as pool:
            return await pool.render(RenderBatch(content=LETTER, contexts=[context(n=1)]))

    async def in_a_thread() -> list[Any]:
        return await asyncio.to_thread(asyncio.run, through_the_pool())

    expected = render_here(RenderBatch(content=LETTER, contexts=[context(n=1)]))
    assert uvloop.run(through_the_pool()) == expected
    assert asyncio.run(in_a_thread()) == expected


GATEWAY = """
import asyncio, sys
sys.path.insert(0, {folder!r})
import importlib.util
spec = importlib.util.spec_from_file_location("pool_tests", {file!r})
tests = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tests)

async def main():
    async with tests.RenderPool(processes=2, batch_timeout_s={limit}) as pool:
        print("started", flush=True)
        {then}

asyncio.run(main())
"""


def gateway_process(then: str, limit: float) -> subprocess.Popen[str]:
    root = str(Path(__file__).parents[2])
    program = GATEWAY.format(folder=root, file=__file__, then=then, limit=limit)
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)


@linux
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_the_gateway(end: signal.Signals) -> None:
    with gateway_process("await asyncio.Event().wait()", limit=10) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        workers = workers_of(process.pid)
        process.send_signal(end)
    assert len(workers) == 2
    assert ended_within(workers, 10)


@linux
def test_a_worker_in_the_middle_of_a_runaway_ends_by_its_own_clock_when_the_gateway_is_gone() -> None:
    work = "pool.render(tests.RenderBatch(content=tests.SLOW, contexts=[tests.endless()]))"
    # The message has gone down the pipe as soon as the loop has run once more.
    then = (
        f"task = asyncio.create_task({work}); await asyncio.wait([task], timeout=0.5); print(1, flush=True); await task"
    )
    with gateway_process(then, limit=3) as process:
        assert process.stdout is not None
        assert [process.stdout.readline(), process.stdout.readline()] == ["started\n", "1\n"]
        workers = workers_of(process.pid)
        process.kill()
    assert len(workers) == 2
    assert ended_within(workers, 20)


@linux
def test_workers_outlive_a_signal_to_the_whole_group_so_that_the_gateway_can_drain() -> None:
    then = """
        for pid in tests.workers_of(tests.os.getpid()):
            tests.os.kill(pid, tests.signal.SIGTERM)
            tests.os.kill(pid, tests.signal.SIGINT)
        workers = tests.workers_of(tests.os.getpid())
        [result] = await pool.render(tests.RenderBatch(content=tests.LETTER, contexts=[tests.context(n=1)]))
        print(result.locale, workers == tests.workers_of(tests.os.getpid()), flush=True)
    """
    with gateway_process(then.strip(), limit=10) as process:
        assert process.stdout is not None
        assert [process.stdout.readline(), process.stdout.readline()] == ["started\n", "it True\n"]
