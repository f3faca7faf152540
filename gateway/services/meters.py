"""What one process counts of its own work, for Prometheus (https://prometheus.io/docs/practices/naming/).

Labels are words of the code or of the settings: no person, job or address ever becomes one.
"""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, Histogram, ProcessCollector

import gateway

_SHORT_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_LONG_S: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Meters:
    """The counters of one process, in a registry of their own. Threads may share them."""

    def __init__(self) -> None:
        self.registry: Final = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        build = Gauge("risveglio_build_info", "The program's version.", ("version",), registry=self.registry)
        build.labels(gateway.__version__).set(1)
        self._answers = self._histogram(
            "risveglio_http_request_duration_seconds",
            "From a request's arrival to the end of its answer.",
            ("route", "method", "status"),
            _SHORT_S,
        )
        self._claims = self._counter("risveglio_claims", "Claims taken.", ("channel",))
        self._claimed = self._counter("risveglio_claimed_sends", "Sends that were in those claims.", ("channel",))
        self._messages = self._counter(
            "risveglio_messages",
            "Messages handed to a channel, one for each address, by what became of them.",
            ("channel", "outcome"),
        )
        self._hand_over = self._histogram(
            "risveglio_hand_over_duration_seconds",
            "From the call of a channel to its last outcome, a window at a time.",
            ("channel",),
            _LONG_S,
        )
        self._record = self._histogram(
            "risveglio_record_duration_seconds",
            "Until outcomes were on record, waiting for the database included.",
            ("channel",),
            _LONG_S,
        )
        self._expanded = self._counter("risveglio_expanded_recipients", "Recipients who entered a job.")
        self._planned = self._counter("risveglio_planned_entries", "Entries whose next step was planned.")
        self._taken_back = self._counter("risveglio_taken_back_claims", "Claims whose worker was lost.")
        self._sends_back = self._counter("risveglio_taken_back_sends", "Sends that those claims still held.")
        self._misses = self._counter(
            "risveglio_coupon_misses",
            "Coupons asked for that do not exist: unknown ones are guesses or forgeries, mistyped ones mostly neither.",
            ("kind",),
        )
        self._failures = self._counter(
            "risveglio_loop_failures", "Rounds of a loop or duty that ended in an error.", ("loop", "error")
        )

    def answered(self, route: str, method: str, status: int, took_s: float) -> None:
        """`route` is the template, `/v1/jobs/{job_id}`, never the path."""
        self._answers.labels(route, method, f"{status // 100}xx").observe(took_s)

    def claimed(self, channel: str, sends: int) -> None:
        self._claims.labels(channel).inc()
        self._claimed.labels(channel).inc(sends)

    def outcome(self, channel: str, word: str) -> None:
        """`word` is what the attempt says: accepted, permanent, transient, unknown, ..."""
        self._messages.labels(channel, word).inc()

    def handed_over(self, channel: str, took_s: float) -> None:
        self._hand_over.labels(channel).observe(took_s)

    def recorded(self, channel: str, took_s: float) -> None:
        self._record.labels(channel).observe(took_s)

    def expanded(self, recipients: int) -> None:
        self._expanded.inc(recipients)

    def planned(self, entries: int) -> None:
        self._planned.inc(entries)

    def took_back(self, sends: int) -> None:
        self._taken_back.inc()
        self._sends_back.inc(sends)

    def missed(self, kind: str) -> None:
        """`kind` is unknown or mistyped."""
        self._misses.labels(kind).inc()

    def failed(self, loop: str, error: Exception) -> None:
        self._failures.labels(loop, type(error).__name__).inc()

    def _counter(self, name: str, meaning: str, labels: tuple[str, ...] = ()) -> Counter:
        return Counter(name, meaning, labels, registry=self.registry)

    def _histogram(self, name: str, meaning: str, labels: tuple[str, ...], buckets: tuple[float, ...]) -> Histogram:
        return Histogram(name, meaning, labels, registry=self.registry, buckets=buckets)
