"""A closed batch written part by part: what is in memory is one part, what is written is sealed."""

import asyncio
import hashlib
import os
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import structlog
from msgspec import Struct, structs

from gateway.contract import ChannelMisconfigured, Outbound, Piece, PiecesRefused, Refusal
from gateway.domain.words import SendKey
from gateway.registry import Guarded
from gateway.rendering import RenderBatch, Rendered
from gateway.services import compose, households, printing, sealing, seeds
from gateway.services.printing import Batch, File, Part
from gateway.services.problems import Conflict
from gateway.services.sealing import Stand, Written
from gateway.workers.crew import Crew

log: Any = structlog.get_logger()

_PAGE: Final = 500

Made = dict[SendKey, tuple[int, Outbound]]
"""Rendered pieces in their order, each with the internal id of its address."""


class Progress(Struct, frozen=True, kw_only=True):
    """How far the writing of a batch is: of `pieces` that were gathered, those that are sealed in `parts`."""

    parts: int
    printed: int
    pieces: int


class _Run(Struct, frozen=True, kw_only=True):
    """One batch on one press."""

    crew: Crew
    batch: Batch
    channel: Guarded
    place: Path
    seeds: Mapping[str, Outbound]

    @property
    def names(self) -> list[str]:
        return list(self.seeds)


async def print_out(
    crew: Crew, public_id: str, folder: Path, tell: Callable[[Progress], None] = lambda progress: None
) -> Batch:
    """Write the parts of a closed batch that are not sealed yet, and its papers, into `folder/<id>`."""
    batch = await crew.db.read(printing.get, public_id)
    if batch.state != "closed":
        return batch
    run = await _run(crew, batch, folder)
    await crew.db.write(sealing.begin, public_id, run.place)
    await asyncio.to_thread(_tidy, run.place, {file.name for part in batch.parts for file in part.files})
    await _sift(run)
    while await _write_part(run):
        told = await crew.db.read(printing.get, public_id)
        tell(Progress(parts=len(told.parts), printed=told.printed, pieces=told.pieces))
    await mend_parts(run)
    papers = await _write_papers(run)
    log.info("batch.exported", batch=public_id, pieces=papers.printed, parts=len(papers.parts))
    return papers


async def _run(crew: Crew, batch: Batch, folder: Path) -> _Run:
    installed = crew.registry.ready.get(batch.channel)
    if installed is None:
        raise Conflict(f"the channel {batch.channel} is not ready; see: risveglio channel list")
    sown = await crew.db.read(seeds.sow, crew.installation, batch.id)
    made = await seeds.messages(crew.pool, crew.installation, sown)
    return _Run(crew=crew, batch=batch, channel=installed.channel, place=folder / batch.id, seeds=made)


def _tidy(place: Path, sealed: Collection[str]) -> None:
    """What a process left behind that died over a part does not lie beside what is sealed."""
    place.mkdir(parents=True, exist_ok=True)
    for path in place.iterdir():
        if path.name not in sealed:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


async def _sift(run: _Run) -> None:
    """Leave out who shares a letter box with a better customer. Once, before the first part."""
    installation = run.crew.installation
    if installation.policies.post.household == "none" or run.batch.parts:
        return
    after, is_last = None, False
    while not is_last:
        taken = await run.crew.db.write(sealing.take, installation, run.batch.id, after, _PAGE)
        await run.crew.db.write(households.note, installation, run.batch.id, taken.keys)
        after, is_last = taken.after, taken.is_last
    while await run.crew.db.write(households.drop, installation, run.batch.id, _PAGE):
        pass


async def _write_part(run: _Run) -> bool:
    """Write and seal the next part; False where nothing is left. Pieces that are refused leave room for the next."""
    crew, public_id = run.crew, run.batch.id
    at = await crew.db.read(sealing.stand, public_id)
    ticket = sealing.ticket(crew.installation, at.batch)
    size = run.channel.part_size
    made: Made = {}
    after, is_last = at.after, False
    while True:
        while len(made) < seeds.room(size, run.names) and not is_last:
            limit = min(_PAGE, seeds.room(size, run.names) - len(made))
            taken = await crew.db.write(sealing.take, crew.installation, public_id, after, limit)
            after, is_last = taken.after, taken.is_last
            made |= await _messages(crew, run.batch.channel, taken.keys)
        if not made:
            return False
        pieces = _pieces(run, at, made, seeds.places(public_id, at.number, len(made), size, run.names))
        try:
            files = await run.channel.write_part(ticket, at.number, [piece for piece, _ in pieces], run.place)
        except PiecesRefused as refused:
            await _refuse(crew, made, refused.refusals, pieces)
            continue
        part = _written(at, made, pieces, sealing.files_of(files))
        stopped = await crew.db.write(sealing.seal, public_id, part)
        if not stopped:
            return True
        for key in stopped:
            del made[key]


def _pieces(run: _Run, at: Stand, made: Made, places: Mapping[int, str]) -> list[tuple[Piece, SendKey | str]]:
    """The pieces of a part in their order, each with whose it is: a send's, or that of a seed of this name."""
    pieces: list[tuple[Piece, SendKey | str]] = []
    people = iter(made.items())
    for place in range(len(made) + len(places)):
        sequence = at.sequence + place
        if place in places:
            message = _seed(run, places[place], sequence)
            pieces.append((Piece(sequence=sequence, message=message, is_seed=True), places[place]))
        else:
            key, (_, message) = next(people)
            pieces.append((Piece(sequence=sequence, message=message), key))
    return pieces


def _seed(run: _Run, name: str, sequence: int) -> Outbound:
    id = f"seed-{run.batch.id}-{sequence}"
    return structs.replace(run.seeds[name], id=id, send_id=id)


async def _refuse(
    crew: Crew, made: Made, refusals: Sequence[Refusal], pieces: Sequence[tuple[Piece, SendKey | str]]
) -> None:
    whose = {piece.sequence: owner for piece, owner in pieces}
    people: dict[SendKey, str] = {}
    for each in refusals:
        owner = whose[each.sequence]
        if isinstance(owner, str):
            why = f"{each.code}: {each.detail}"
            raise ChannelMisconfigured("seed-refused", f"[[post.seeds]] {owner} cannot be printed: {why}")
        people[owner] = each.code
    await crew.db.write(sealing.refuse, crew.installation, people)
    for key in people:
        del made[key]


def _written(at: Stand, made: Made, pieces: Sequence[tuple[Piece, SendKey | str]], files: tuple[File, ...]) -> Written:
    people = [(owner, piece.sequence) for piece, owner in pieces if not isinstance(owner, str)]
    return Written(
        number=at.number,
        first_sequence=at.sequence,
        last_sequence=at.sequence + len(pieces) - 1,
        numbers=tuple((key, sequence, made[key][0]) for key, sequence in people),
        seeds=tuple((piece.sequence, owner) for piece, owner in pieces if isinstance(owner, str)),
        files=files,
    )


async def _messages(crew: Crew, channel: str, keys: Sequence[SendKey]) -> Made:
    """The rendered pieces in their order; those that cannot be made fail, each for its reason."""
    made, refused, untried = await _rendered(crew, channel, keys)
    if refused:
        await crew.db.write(sealing.refuse, crew.installation, refused)
    if untried:
        return await _messages(crew, channel, [key for key in keys if key not in refused])
    return made


async def _rendered(crew: Crew, channel: str, keys: Sequence[SendKey]) -> tuple[Made, dict[SendKey, str], bool]:
    """What could be made, why the rest could not, and whether some were not tried."""
    if not keys:
        return {}, {}, False
    drafts = await crew.db.read(compose.drafts_of, crew.installation, channel, keys)
    refused = {draft.key: "no_address" for draft in drafts.drafts if not draft.addresses}
    made: Made = {}
    untried = False
    for digest, content in drafts.contents.items():
        group = [draft for draft in drafts.drafts if draft.content_hash == digest and draft.addresses]
        batch = RenderBatch(content=content, contexts=[draft.context for draft in group])
        for draft, result in zip(group, await crew.pool.render(batch), strict=True):
            if isinstance(result, Rendered):
                [message] = compose.outbounds(crew.installation, channel, draft, result.locale, result.parts)
                made[draft.key] = (draft.addresses[0][0], message)
            elif result.was_tried:
                refused[draft.key] = result.told()
            else:
                untried = True
    return {key: made[key] for key in keys if key in made}, refused, untried


async def _write_papers(run: _Run) -> Batch:
    crew, public_id = run.crew, run.batch.id
    batch = await crew.db.read(printing.get, public_id)
    summed = await crew.db.read(sealing.totals, public_id)
    papers: tuple[File, ...] = ()
    if batch.parts:
        ticket = sealing.ticket(crew.installation, batch)
        parts = sealing.printed_parts(batch, run.place)
        papers = sealing.files_of(await run.channel.write_papers(ticket, summed, parts, run.place))
    return await crew.db.write(sealing.finish, public_id, run.place, papers, summed)


async def mend(crew: Crew, batch: Batch, folder: Path) -> None:
    """Make again what is missing or altered of the files of a written batch. Raises Conflict where it would not be the
    same, or is not to be there any more."""
    if batch.files_removed_at is not None:
        when = f"{batch.files_removed_at:%Y-%m-%d}"
        raise Conflict(f"the files of batch {batch.id} were removed on {when}: {batch.files_removed_why}")
    if batch.exported_at is None or batch.state == "cancelled" or not batch.files:
        return
    place = Path(batch.folder or folder / batch.id)
    if not await asyncio.to_thread(_faulty, place, batch.files):
        return
    run = structs.replace(await _run(crew, batch, folder), place=place)
    await mend_parts(run)
    papers = [file for file in batch.files if all(file not in part.files for part in batch.parts)]
    if await asyncio.to_thread(_faulty, place, papers):
        await _mend_papers(run, papers)


def _faulty(place: Path, files: Sequence[File]) -> bool:
    return any(not _is_whole(place / file.name, file) for file in files)


def _is_whole(path: Path, file: File) -> bool:
    if not path.is_file() or path.stat().st_size != file.bytes:
        return False
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == file.sha256


async def mend_parts(run: _Run) -> None:
    """Make again the files of sealed parts that are not there as they were."""
    batch = await run.crew.db.read(printing.get, run.batch.id)
    for part in batch.parts:
        if await asyncio.to_thread(_faulty, run.place, part.files):
            await _mend_part(structs.replace(run, batch=batch), part)


async def _mend_part(run: _Run, part: Part) -> None:
    crew, numbered = run.crew, await run.crew.db.read(sealing.pieces_of, run.batch.id, part.number)
    made: Made = {}
    for start in range(0, len(numbered), _PAGE):
        keys = [key for key, _, _ in numbered[start : start + _PAGE]]
        some, refused, untried = await _rendered(crew, run.batch.channel, keys)
        if refused or untried:
            raise _other(run.batch, part, "somebody in it was erased, or cannot be written to any more")
        made |= some
    if any(made[key][0] != address_id for key, _, address_id in numbered):
        raise _other(run.batch, part, "the address of somebody in it has changed")
    pieces = _again(run, part, {sequence: made[key][1] for key, sequence, _ in numbered})
    ticket = sealing.ticket(crew.installation, run.batch)
    aside = aside_of(run.place)
    try:
        await asyncio.to_thread(_tidy, aside, ())
        await run.channel.write_part(ticket, part.number, pieces, aside)
        if await asyncio.to_thread(_faulty, aside, part.files):
            raise _other(run.batch, part, "it would be another: the person's record, the design or a seed has changed")
        await asyncio.to_thread(_move, aside, run.place, part.files)
    except PiecesRefused:
        raise _other(run.batch, part, "a piece of it cannot be printed any more") from None
    finally:
        await asyncio.to_thread(shutil.rmtree, aside, ignore_errors=True)
    log.info("batch.part_mended", batch=run.batch.id, part=part.number)


def aside_of(place: Path) -> Path:
    """Where parts of a batch are made again, beside its own folder."""
    return place.with_name(f".{place.name}.again")


def _again(run: _Run, part: Part, made: Mapping[int, Outbound]) -> list[Piece]:
    sown = dict(part.seeds)
    missing = sorted(set(sown.values()) - run.seeds.keys())
    if missing:
        raise _other(run.batch, part, f"there is no seed {missing[0]} any more")
    pieces = []
    for sequence in range(part.first_sequence, part.last_sequence + 1):
        message = _seed(run, sown[sequence], sequence) if sequence in sown else made[sequence]
        pieces.append(Piece(sequence=sequence, message=message, is_seed=sequence in sown))
    return pieces


def _other(batch: Batch, part: Part, why: str) -> Conflict:
    return Conflict(
        f"part {part.number} of batch {batch.id} cannot be made again: {why}; what has changed needs a new batch"
    )


def _move(aside: Path, place: Path, files: Sequence[File]) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for file in files:
        os.replace(aside / file.name, place / file.name)


async def _mend_papers(run: _Run, papers: Sequence[File]) -> None:
    crew = run.crew
    ticket, summed = sealing.ticket(crew.installation, run.batch), await crew.db.read(sealing.totals, run.batch.id)
    await run.channel.write_papers(ticket, summed, sealing.printed_parts(run.batch, run.place), run.place)
    if await asyncio.to_thread(_faulty, run.place, papers):
        raise Conflict(f"the papers of batch {run.batch.id} would be others: the settings of its channel have changed")
