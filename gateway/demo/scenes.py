"""The story: nine days of business time, from the import of the customers to the last card in a letter box."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from msgspec import Struct
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from gateway.demo import paper, story
from gateway.demo.bulk import write_bulk
from gateway.demo.campaign import card_draft, job, offer
from gateway.demo.cdnow.purchases import load
from gateway.demo.checks import Check, Findings, checks
from gateway.demo.customers import Customers, Race, Use, mistyped
from gateway.demo.days import Days
from gateway.demo.house import House
from gateway.demo.ledger import Ledger, LeftOut, accepted_ids, left_out, pieces_of
from gateway.demo.page import write_page
from gateway.demo.paper import Mailing
from gateway.demo.people import Person
from gateway.demo.postbag import Message, Postbag
from gateway.demo.sheets import CHANNELS, check_sheet, dollars, forecast_sheet, report_sheets, wave_sheet
from gateway.demo.shop import Forecast, Shop, Unexpected
from gateway.demo.stall import Market, hold_market
from gateway.storage.database import Database

BEGIN: Final = datetime(1998, 7, 1, 10, tzinfo=UTC)
AFTER_FIRST: Final = datetime(1998, 7, 2, 12, tzinfo=UTC)
"""Everybody has had a morning; the reminders wait for six in the evening."""
AFTER_REMINDER: Final = datetime(1998, 7, 3, 12, tzinfo=UTC)
AFTER_LAST_CALL: Final = datetime(1998, 7, 4, 8, tzinfo=UTC)
AFTER_CODES: Final = datetime(1998, 7, 5, 12, tzinfo=UTC)
IN_LETTER_BOXES: Final = datetime(1998, 7, 7, 9, tzinfo=UTC)
END: Final = datetime(1998, 7, 10, 12, tzinfo=UTC)

TILLS: Final = 12
FAREWELLS: Final = 10

_OVER_WITHIN_S: Final = 15.0
_POLL_S: Final = 0.2


class Stage(Struct, frozen=True, kw_only=True):
    """Everybody and everything that the scenes need."""

    house: House
    console: Console
    people: list[Person]
    push_url: str
    db: Database
    shop: Shop
    customers: Customers
    postbag: Postbag
    days: Days


async def play(stage: Stage) -> bool:
    """Whether everything that was received agrees with the ledger."""
    await stage.days.begin(BEGIN)
    await _import(stage)
    forecast = await _preview(stage)
    job_id, never_planned = await _submit(stage)
    mailing = await _print(stage, job_id)
    await _morning(stage)
    race = await _first_uses(stage)
    await _reminders(stage)
    market = await _market(stage)
    await _last_calls(stage, market)
    await _paper_arrives(stage, mailing)
    await _over(stage, job_id)
    ledger = await _ledger(stage, job_id)
    found = checks(
        Findings(
            messages=stage.postbag.messages,
            reports=stage.postbag.reports(),
            ledger=ledger,
            business_at=stage.days.at,
            uses=stage.customers.uses,
            farewells=stage.customers.farewells,
            forecast=forecast,
            left_out=never_planned,
            mailing=mailing,
            race=race,
            market=market,
        )
    )
    await _report(stage, ledger, found)
    _where_to_look(stage, mailing)
    return all(check.holds for check in found)


async def _ledger(stage: Stage, job_id: str) -> Ledger:
    report = await stage.shop.report(job_id)
    return Ledger(report=report, accepted=await stage.db.read(accepted_ids, job_id))


async def _import(stage: Stage) -> None:
    story.chapter(stage.console, BEGIN, "The shop hands its customers over")
    purchases = load()
    files = write_bulk(stage.house.bulk, stage.people, purchases, stage.push_url)
    kinds = ("recipients", "consents", "suppressions", "activities")
    columns = (TextColumn("  {task.description:12}", style="dim"), BarColumn(40), MofNCompleteColumn())
    with Progress(*columns, console=stage.console) as progress:
        for kind in kinds:
            file = getattr(files, kind)
            task = progress.add_task(kind, total=file.lines)
            taken = await stage.shop.take_in(kind, file, partial(progress.advance, task))
            if taken.errors or taken.written != file.lines:
                first = taken.errors[0].detail if taken.errors else "lines are missing"
                raise Unexpected(f"{kind}: {taken.written} of {file.lines} lines written: {first}")
    story.line(
        stage.console,
        "from",
        f"{len(purchases):,} real purchases at CDNOW, 1997 and 1998; names and addresses are made up",
    )


async def _preview(stage: Stage) -> Forecast:
    await stage.shop.put_offer(offer())
    forecast = await stage.shop.preview(job())
    story.chapter(stage.console, BEGIN, "The job, before it is handed in")
    story.line(stage.console, "whom", "bought for $15 or more in all, and nothing for 180 days")
    story.line(stage.console, "what", "15% off for 72 hours; a reminder at 18:00; a last call 18 hours before the end")
    story.line(stage.console, "how", "e-mail first, then SMS, push, post; in English, Italian, Russian")
    story.show(stage.console, forecast_sheet(forecast))
    return forecast


async def _submit(stage: Stage) -> tuple[str, LeftOut]:
    """Hand the job in, twice, as one does when the first answer got lost; whom its plan left out."""
    story.chapter(stage.console, BEGIN, "The job is handed in")
    submitted = await stage.shop.submit(job(), "summer-1998")
    again = await stage.shop.submit(job(), "summer-1998")
    if again.id != submitted.id:
        raise Unexpected(f"the same Idempotency-Key made two jobs, {submitted.id} and {again.id}")
    story.line(stage.console, "job", f"{submitted.id}; handed in twice with one Idempotency-Key: still one job")
    await stage.days.settle()
    story.line(stage.console, "at once", _told(stage.postbag.collect()))
    return submitted.id, await stage.db.read(left_out, submitted.id)


def _told(messages: list[Message]) -> str:
    counts = Counter(message.channel for message in messages)
    named = {"email": "mails", "sms": "SMS", "webpush": "pushes"}
    return ", ".join(f"{counts[channel]:,} {name}" for channel, name in named.items())


async def _print(stage: Stage, job_id: str) -> Mailing:
    """Export the cards, let somebody object in the meantime, and hand the files over to the print shop."""
    console = stage.console
    story.chapter(console, BEGIN, "Those who are reached by post alone")
    [gathered] = await stage.shop.batches(job_id)
    with console.status("setting the cards …"):
        batch = await paper.export(stage.shop, gathered)
        printed = paper.read_again(batch, stage.house.prints)
    pieces = await stage.db.read(pieces_of, batch.id, {person.id: person for person in stage.people})
    objector = next(piece for piece in pieces if piece.sequence is not None)
    await stage.shop.withdraw(objector.person.id, "postal", await stage.days.now())
    handed = await stage.shop.hand_over(batch.id)
    story.line(
        console,
        "batch",
        f"{len(printed.code_ends)} postcards, mailed on {handed.batch.mailing_at.day} July, delivered on the 6th",
    )
    for path in printed.files:
        story.line(console, "", f"{path.name}  {path.stat().st_size / 1024:,.0f} kB")
    pulled = ", ".join(f"no. {sequence}" for sequence in handed.pull)
    story.line(console, "objection", f"one came in after the export; to be taken out before mailing: {pulled}")
    return Mailing(batch=handed.batch, printed=printed, pieces=pieces, pull=frozenset(handed.pull))


async def _morning(stage: Stage) -> None:
    await stage.days.until(AFTER_FIRST)
    story.chapter(stage.console, AFTER_FIRST, "The others, when it is day where they live")
    fresh = stage.postbag.collect()
    story.show(
        stage.console, wave_sheet("Busy mailboxes, mornings, and first reminders in the east", fresh, stage.days)
    )


async def _first_uses(stage: Stage) -> Race:
    """Clicks, purchases, farewells; and what a till must refuse."""
    story.chapter(stage.console, AFTER_FIRST, "What people do with it")
    console, customers, messages = stage.console, stage.customers, stage.postbag.messages
    visits = await customers.click(messages, 0.25)
    story.line(console, "clicks", f"{visits.clicks:,} links followed to the shop, {visits.astray} led elsewhere")
    race = await customers.race(min(messages, key=lambda message: message.person.id), TILLS)
    story.line(
        console, "race", f"one code at {TILLS} tills at the same instant: {race.sold} sold, {race.refused} refused"
    )
    uses = await customers.redeem(messages, 0.12, "buys at once", "web")
    _tell_uses(console, uses)
    farewells = await customers.unsubscribe(stage.postbag.of("email"), FAREWELLS)
    story.line(console, "one click", f"{len(farewells)} people unsubscribed from the button in their mail program")
    used = await customers.refused(uses[0].code, "try-used")
    wrong = await customers.refused(mistyped(uses[1].code), "try-mistyped")
    story.line(console, "refused", f"a used code: “{used.detail}”")
    story.line(console, "", f"a mistyped code: “{wrong.detail}”")
    return race


def _tell_uses(console: Console, uses: list[Use]) -> None:
    stopped = sum(use.cancelled_sends for use in uses)
    story.line(
        console, "coupons", f"{len(uses):,} redeemed for {dollars(uses)}; {stopped} waiting messages stopped by it"
    )


async def _reminders(stage: Stage) -> None:
    await stage.days.until(AFTER_REMINDER)
    story.chapter(stage.console, AFTER_REMINDER, "The reminder, at six in the evening")
    fresh = stage.postbag.collect()
    story.show(stage.console, wave_sheet("For all who have not redeemed", fresh, stage.days))
    gone = {farewell.person.id for farewell in stage.customers.farewells}
    still = {message.person.id: message.channel for message in fresh if message.person.id in gone}
    names = ", ".join(sorted({CHANNELS[channel] for channel in still.values()}))
    story.line(
        stage.console,
        "farewells",
        f"of the {len(gone)} who unsubscribed from mail, {len(gone) - len(still)} got nothing more"
        + (f"; {len(still)} go on by {names}, which they still allow" if still else ""),
    )
    _tell_uses(stage.console, await stage.customers.redeem(fresh, 0.06, "buys after the reminder", "web"))


async def _market(stage: Stage) -> Market:
    """Codes that are used where there is no network."""
    story.chapter(stage.console, AFTER_REMINDER, "At the market, two tills without a network")
    console, customers = stage.console, stage.customers
    buyers = customers.choose(stage.postbag.of("email"), 0.04, "goes to the market")
    market = await hold_market(stage.shop, customers, buyers, await stage.days.now())
    report, told = market.report, {name: count for name, count in market.report.outcomes.items() if name != "redeemed"}
    story.line(console, "took along", f"a signed list of the codes that are good, {market.listed_bytes / 1024:,.0f} kB")
    story.line(
        console, "in the evening", f"{report.received} uses told: {report.redeemed} redeemed for {dollars(market.uses)}"
    )
    story.line(console, "conflicts", ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in told.items()))
    story.line(
        console, "told again", f"the same file once more: {market.again.replayed} answered as before, none twice"
    )
    return market


async def _last_calls(stage: Stage, market: Market) -> None:
    await stage.days.until(AFTER_LAST_CALL)
    story.chapter(stage.console, AFTER_LAST_CALL, "The last call, 18 hours before each code ends")
    fresh = stage.postbag.collect()
    story.line(stage.console, "sent", f"{_told(fresh)}; instead of a third SMS in a week a push, or nothing")
    bought = {use.person.id for use in market.uses}
    called = sum(message.person.id in bought for message in fresh)
    story.line(stage.console, "stopped", f"of the {len(bought)} who bought at the market {called} were called")
    _tell_uses(stage.console, await stage.customers.redeem(fresh, 0.03, "buys in the end", "web"))
    await stage.days.until(AFTER_CODES)
    stage.postbag.collect()
    used = {use.person.id for use in stage.customers.uses}
    left = next(message for message in stage.postbag.of("email") if message.person.id not in used)
    late = await stage.customers.refused(left.code or "", "try-late")
    story.line(stage.console, "too late", f"a code on {AFTER_CODES.day} {AFTER_CODES:%B}: “{late.detail}”")


async def _paper_arrives(stage: Stage, mailing: Mailing) -> None:
    await stage.days.until(IN_LETTER_BOXES)
    story.chapter(stage.console, IN_LETTER_BOXES, "The cards are in the letter boxes")
    await stage.shop.mailed(mailing.batch.id, mailing.batch.mailing_at)
    cards = [
        Message(channel="postal", person=piece.person, at=datetime.now(UTC), id=piece.code, code=piece.code)
        for piece in mailing.mailed
    ]
    stage.postbag.add(cards)
    _tell_uses(stage.console, await stage.customers.redeem(cards, 0.10, "brings the card", "till 3"))
    await stage.days.until(END)
    stage.postbag.collect()


async def _over(stage: Stage, job_id: str) -> None:
    """Wait for the job's end and the provider's last reports; whether all are here is for the checks to say."""
    reports = 2 * len(stage.postbag.of("sms"))
    for _ in range(int(_OVER_WITHIN_S / _POLL_S)):
        job = await stage.shop.job(job_id)
        if job.state == "done" and len(stage.postbag.reports()) >= reports:
            return
        await asyncio.sleep(_POLL_S)


async def _report(stage: Stage, ledger: Ledger, found: Sequence[Check]) -> None:
    console, uses, messages = stage.console, stage.customers.uses, stage.postbag.messages
    story.chapter(console, None, "The report")
    sheets = [*report_sheets(ledger, uses, messages), check_sheet(found)]
    for sheet in sheets:
        story.show(console, sheet)
    folder = stage.house.folder
    (folder / "report.json").write_bytes(await stage.shop.report_file(ledger.report.id, "json"))
    (folder / "report.csv").write_bytes(await stage.shop.report_file(ledger.report.id, "csv"))
    card = await stage.shop.picture(card_draft())
    write_page(folder / "report.html", ledger, sheets, messages, card)


def _where_to_look(stage: Stage, mailing: Mailing) -> None:
    console, house = stage.console, stage.house
    story.chapter(console, None, "Where to look")
    places = {
        "report": house.folder / "report.html",
        "cards": mailing.printed.files[0].parent,
        "mails": house.received / "smtp" / "mail",
        "SMS, pushes": house.received,
        "database": house.database,
        "log": house.log,
    }
    for what, path in places.items():
        story.line(console, what, _near(path))
    story.line(console, "the API", f"risveglio serve --config {_near(house.config)}")
    story.line(console, "", f"then {house.url}/schema, with the API key in {_near(house.token)}")


def _near(path: Path) -> str:
    """From the working directory, where it is in there."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
