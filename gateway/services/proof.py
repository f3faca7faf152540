"""A proof of a batch before it is written: pieces to look at and to sign, none of which can be redeemed."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct, structs

from gateway.contract import Outbound, Piece, PiecesRefused, PrintFile
from gateway.domain.coupon import SPECIMEN
from gateway.domain.words import SendKey
from gateway.registry import Guarded
from gateway.rendering import RenderBatch, Rendered, RenderPool
from gateway.services import compose
from gateway.services.compose import Draft, Drafts
from gateway.services.installation import Installation
from gateway.services.printing import Batch, get, key_of, row_of
from gateway.services.problems import Conflict
from gateway.services.sealing import ticket
from gateway.storage import proofs
from gateway.storage.database import Transaction


class Laid(Struct, frozen=True, kw_only=True):
    """All that a proof is made of."""

    batch: Batch
    drafts: Drafts


def lay_out(tx: Transaction, installation: Installation, public_id: str, first: int) -> Laid:
    """The first pieces of a batch, those with the longest name and address, and one of each language.

    Raises Conflict for a batch with nothing in it.
    """
    row = row_of(tx, public_id)
    items = proofs.items(tx, row.id, installation.channels[row.channel].address_kind, first)
    keys = list(dict.fromkeys(key_of(item, row.channel) for item in items))
    if not keys:
        raise Conflict(f"batch {public_id} is {row.state} and has no pieces to show")
    drafts = compose.drafts_of(tx, installation, row.channel, keys)
    shown = tuple(_as_specimen(draft) for draft in drafts.drafts if draft.addresses)
    return Laid(batch=get(tx, public_id), drafts=structs.replace(drafts, drafts=shown))


def _as_specimen(draft: Draft) -> Draft:
    coupon, names = draft.coupon, draft.context.coupon
    if coupon is None or names is None:
        return draft
    return structs.replace(
        draft,
        coupon=structs.replace(coupon, code=SPECIMEN, url=None),
        context=structs.replace(draft.context, coupon=structs.replace(names, code=SPECIMEN)),
    )


async def write(pool: RenderPool, channel: Guarded, installation: Installation, laid: Laid, target: Path) -> PrintFile:
    """Write the proof to `target`. Raises Conflict where none of the pieces can be made or printed."""
    made: dict[SendKey, Outbound] = {}
    for digest, content in laid.drafts.contents.items():
        group = [draft for draft in laid.drafts.drafts if draft.content_hash == digest]
        results = await pool.render(RenderBatch(content=content, contexts=[draft.context for draft in group]))
        for draft, result in zip(group, results, strict=True):
            if isinstance(result, Rendered):
                [message] = compose.outbounds(installation, laid.batch.channel, draft, result.locale, result.parts)
                made[draft.key] = structs.replace(message, is_test=True)
    left = [made[draft.key] for draft in laid.drafts.drafts if draft.key in made]
    why = ""
    while left:
        pieces = list(_numbered(left))
        try:
            return await channel.write_proof(ticket(installation, laid.batch), pieces, target)
        except PiecesRefused as refused:
            why = f": {refused.refusals[0].code}: {refused.refusals[0].detail}" if refused.refusals else ""
            gone = {each.sequence for each in refused.refusals}
            left = [piece.message for piece in pieces if piece.sequence not in gone]
    raise Conflict(f"none of the pieces that would show batch {laid.batch.id} can be printed{why}")


def _numbered(messages: Sequence[Outbound]) -> Iterator[Piece]:
    for sequence, message in enumerate(messages, start=1):
        yield Piece(sequence=sequence, message=message)
