"""Who enters a job falls into one of its segments, and gets that one's offer."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from gateway.storage import audience
from gateway.storage.database import Transaction
from gateway.storage.jobs import Job
from gateway.storage.recipients import Prepared


class Segment(NamedTuple):
    """A segment by its name, None for everybody who is in no other, and the internal id of the offer that it gets."""

    name: str | None = None
    offer_id: int | None = None


def segments_of(
    tx: Transaction, job: Job, ids: Sequence[int], as_of: datetime, newcomers: Mapping[int, Prepared] | None = None
) -> dict[int, Segment]:
    """The segment that each person is in as of `as_of`: the first of the job's that holds.

    `newcomers` are people who are not written yet, by the numbers among `ids` that stand for them.
    """
    others = Segment(None, job.offer_id(job.spec.offer))
    named = [Segment(each.segment, job.offer_id(each.offer or job.spec.offer)) for each in job.spec.offers]
    wheres = [each.where for each in job.spec.offers]
    places: dict[int, int] = {}
    if wheres:
        places = audience.first_that_holds(tx, wheres, as_of, ids)
    if wheres and newcomers:
        places |= audience.first_that_would_hold(tx, wheres, as_of, newcomers)
    return {id: named[places[id]] if id in places else others for id in ids}
