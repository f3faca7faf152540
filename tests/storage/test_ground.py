"""What the rest stands on: rows, instants, clocks, leases and the threads of a database."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import BigInteger, Boolean, SmallInteger, Text, select, text

from gateway.domain.words import SendKey
from gateway.storage import claims, clock, leases
from gateway.storage.rows import Columns, table_of
from gateway.storage.types import Instant, from_us, to_us
from tests.builders import NOW, World

COLUMNS: Columns = {
    "small": SmallInteger(),
    "big": BigInteger(),
    "text": Text(),
    "flag": Boolean(),
    "at": Instant(),
}
rows_ = st.lists(
    st.tuples(
        st.none() | st.integers(-(2**15), 2**15 - 1),
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), max_size=30),
        st.none() | st.booleans(),
        st.none() | st.integers(-(10**15), 10**16).map(from_us),
    ),
    max_size=8,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows_)
def test_a_table_of_values_holds_them_as_they_are(world: World, rows: list[tuple[Any, ...]]) -> None:
    with world.db.snapshot() as tx:
        table = table_of(tx, "told", COLUMNS, rows)
        found = [tuple(row) for row in tx.execute(select(*(table.c[name] for name in COLUMNS)))]
    assert sorted(map(repr, found)) == sorted(map(repr, rows))


def test_a_text_that_looks_like_json_stays_a_text(world: World) -> None:
    values = [('{"a": 1}',), ("[1]",), ("null",), ("true",), ("1e3",), (r"\u0041",), ("'; DROP TABLE sends; --",)]
    with world.db.snapshot() as tx:
        table = table_of(tx, "told", {"text": Text()}, values)
        assert sorted(tx.execute(select(table.c.text)).all()) == sorted(values)


@given(st.datetimes(timezones=st.sampled_from([UTC])))
def test_an_instant_is_kept_to_the_microsecond(at: datetime) -> None:
    assert from_us(to_us(at)) == at


def test_business_time_is_moved_and_machine_time_is_not(world: World) -> None:
    with world.db.transaction() as tx:
        before = clock.now(tx)
        clock.move(tx, NOW + timedelta(days=400))
        after = clock.now(tx)
    assert timedelta(0) <= after.machine - before.machine < timedelta(minutes=1)
    assert timedelta(0) <= after.business - (NOW + timedelta(days=400)) < timedelta(minutes=1)


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_the_clock_goes_on_within_a_transaction(world: World) -> None:
    """Read after a lock it is later than before it; PostgreSQL's own now() would not be."""
    with world.db.transaction() as tx:
        first = clock.now(tx).machine
        tx.execute(text("SELECT pg_sleep(0.002)"))
        assert clock.now(tx).machine > first


def test_one_holder_leads_until_it_lets_go_or_is_late(world: World) -> None:
    until = NOW + timedelta(seconds=15)
    with world.db.transaction() as tx:
        assert leases.take(tx, "clock", "a", NOW, until)
        assert leases.take(tx, "clock", "a", NOW, until)
        assert not leases.take(tx, "clock", "b", until, until)
        assert leases.take(tx, "print", "b", NOW, until)
        leases.release(tx, "clock", "b")
        assert not leases.take(tx, "clock", "b", NOW, until)
        assert leases.take(tx, "clock", "b", until + timedelta(microseconds=1), until)
        leases.release(tx, "clock", "b")
        assert leases.take(tx, "clock", "a", NOW, until)


def test_the_number_of_a_claim_is_never_given_out_again(world: World) -> None:
    seen = []
    for _ in range(3):
        with world.db.transaction() as tx:
            key = SendKey(1, 1, 0, 0, "email")
            seen.append(claims.open_claim(tx, "email", 1, "w", NOW, [key]))
            assert claims.take_over(tx, seen[-1], NOW) == []
            assert claims.take_over(tx, seen[-1], NOW + timedelta(seconds=1)) == [key]
            assert claims.take_over(tx, seen[-1], NOW + timedelta(seconds=1)) == []
            assert not claims.prolong(tx, seen[-1], NOW)
    assert sorted(set(seen)) == seen


# --- the database's threads


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_write_that_somebody_waits_for_goes_before_the_rest(world: World) -> None:
    """One writer, as SQLite has: PostgreSQL has as many as connections."""
    order: list[str] = []
    begun, held = threading.Event(), threading.Event()
    first = asyncio.create_task(world.db.write(lambda _: begun.set() or (held.wait(10) and order.append("first"))))
    await asyncio.to_thread(begun.wait, 10)
    bulk = [asyncio.create_task(world.db.write(lambda _, n=n: order.append(f"bulk-{n}"))) for n in range(2)]
    await asyncio.sleep(0)
    urgent = asyncio.create_task(world.db.write_urgently(lambda _: order.append("urgent")))
    await asyncio.sleep(0)
    held.set()
    await asyncio.gather(first, *bulk, urgent)
    assert order == ["first", "urgent", "bulk-0", "bulk-1"]


async def test_what_a_write_raises_is_raised_to_its_caller_and_nothing_is_kept(world: World) -> None:
    def breaks(tx: Any) -> None:
        clock.move(tx, NOW + timedelta(days=9))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await world.db.write(breaks)
    assert world.now() < NOW + timedelta(days=1)
    assert await world.db.read(lambda tx: tx.scalar(text("SELECT 1"))) == 1


def test_a_snapshot_writes_nothing_and_sees_one_state(world: World) -> None:
    with world.db.snapshot() as tx:
        before = clock.now(tx).business - clock.now(tx).machine
        with world.db.transaction() as other:
            clock.move(other, NOW + timedelta(days=9))
        assert abs(clock.now(tx).business - clock.now(tx).machine - before) < timedelta(seconds=5)
    assert world.now() >= NOW + timedelta(days=9)


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_two_writes_that_wait_for_each_other_both_end(world: World) -> None:
    """PostgreSQL breaks one of them off; it is run again from the start."""
    world.people("c-1", "c-2")
    both = threading.Barrier(2)
    runs: list[int] = []

    def update(tx: Any, order: tuple[int, int]) -> None:
        runs.append(order[0])
        tx.execute(text(f"UPDATE recipients SET name = 'x' WHERE id = {order[0]}"))
        if len(runs) <= 2:
            both.wait(10)
        tx.execute(text(f"UPDATE recipients SET name = 'x' WHERE id = {order[1]}"))

    await asyncio.gather(world.db.write(update, (1, 2)), world.db.write(update, (2, 1)))
    assert len(runs) >= 3
