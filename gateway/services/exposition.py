"""The text that Prometheus scrapes: what a process counts, and how the database says things stand."""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from gateway.services.meters import Meters
from gateway.services.status import Status

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Sample = tuple[tuple[str, ...], float]
"""The values of the labels, and the number."""


def own(meters: Meters) -> bytes:
    """What one process counts. Of a worker it is all that is told: the database is read by the API alone."""
    return generate_latest(meters.registry)


def shared(found: Status) -> bytes:
    """How things stand in the database, the same whichever process tells it: take `max`, not `sum`."""
    registry = CollectorRegistry()
    registry.register(_Found(found))
    return generate_latest(registry)


class _Found(Collector):
    def __init__(self, found: Status) -> None:
        self._found = found

    def collect(self) -> Iterator[Metric]:
        yield from _work(self._found)
        yield from _channels(self._found)
        yield from _senders(self._found)
        yield from _pools(self._found)
        yield from _machinery(self._found)


def _work(found: Status) -> Iterator[Metric]:
    yield _gauge(
        "risveglio_queue_head_age_seconds",
        "For how long the oldest send that is due has been due (business time); 0 where none is.",
        ("channel", "lane"),
        [((queue.channel, queue.lane), queue.waiting_s) for queue in found.queues],
    )
    yield _gauge("risveglio_jobs", "Jobs that are not over.", ("state",), _by(found.jobs.items()))
    yield _plain("risveglio_entries_due", "Entries whose next step is to be planned now.", found.entries_due)
    yield _plain("risveglio_parked_events", "Provider reports whose send is not known yet.", found.parked_events)
    yield _plain("risveglio_notices_due", "Outgoing events that wait for their next try.", found.notices_due)
    late = "Print batches whose mailing day is over, and that nobody has confirmed: their codes are asleep."
    yield _plain("risveglio_batches_unconfirmed", late, found.batches_unconfirmed)
    endpoints = _by(found.endpoints.items())
    yield _gauge("risveglio_endpoints", "Endpoints of outgoing events.", ("state",), endpoints)


def _pools(found: Status) -> Iterator[Metric]:
    free = [((offer,), float(count)) for offer, count in sorted(found.pools.items())]
    yield _gauge("risveglio_pool_codes_free", "Codes of a partner that nobody has yet, up to 10,000.", ("offer",), free)


def _channels(found: Status) -> Iterator[Metric]:
    in_doubt = [((each.channel,), each.in_doubt) for each in found.channels]
    yield _gauge("risveglio_sends_in_doubt", "Sends that may have gone out.", ("channel",), in_doubt)
    claims = [((each.channel,), each.claims) for each in found.channels]
    yield _gauge("risveglio_claims_open", "Claims that workers hold.", ("channel",), claims)
    yield _gauge(
        "risveglio_channel_paused",
        "1 for a channel that is handed nothing; held_by says who paused it.",
        ("channel", "held_by"),
        [((each.channel, each.held_by or ""), float(each.state == "paused")) for each in found.channels],
    )
    paced = [((each.channel,), float(each.state == "paced")) for each in found.channels]
    yield _gauge("risveglio_channel_paced", "1 for a channel that waits, for its provider.", ("channel",), paced)


def _senders(found: Status) -> Iterator[Metric]:
    """Only those in trouble have a sample: the others are well."""
    yield _gauge(
        "risveglio_sender_held",
        "1 for a sender whose messages wait until somebody releases it; reason says why.",
        ("channel", "brand", "reason"),
        [((each.channel, each.brand or "", each.held_for or ""), 1.0) for each in found.senders if each.held_at],
    )
    yield _gauge(
        "risveglio_sender_alert",
        "1 for a sender with too many complaints, blocks or dead addresses (bounces).",
        ("channel", "brand", "reason"),
        [((each.channel, each.brand or "", alert), 1.0) for each in found.senders for alert in each.alerts],
    )


def _machinery(found: Status) -> Iterator[Metric]:
    alive = [part for process in found.processes if process.is_alive for part in process.parts]
    parts = [((part,), float(alive.count(part))) for part in ("api", "worker", "clock")]
    yield _gauge("risveglio_processes", "Processes that were seen of late, by what they do.", ("part",), parts)
    yield _plain("risveglio_clock_led", "1 while a process sees to the periodic duties.", found.leader is not None)
    schema = [((found.schema or "",), 1.0)]
    yield _gauge("risveglio_schema_info", "The database's revision.", ("revision",), schema)


def _gauge(name: str, meaning: str, labels: tuple[str, ...], samples: Iterable[Sample]) -> Metric:
    family = GaugeMetricFamily(name, meaning, labels=labels)
    for values, number in samples:
        family.add_metric(values, number)
    return family


def _plain(name: str, meaning: str, number: float) -> Metric:
    return GaugeMetricFamily(name, meaning, value=number)


def _by(numbers: Iterable[tuple[str, int]]) -> list[Sample]:
    return [((name,), float(number)) for name, number in numbers]
