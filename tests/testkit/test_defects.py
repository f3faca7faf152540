"""A kit is worth what it catches: each of these channels has one defect, and one check must find it."""

import asyncio
import hmac
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
from msgspec import Struct

from gateway.contract import (
    API,
    Address,
    BadSignature,
    BadWebhook,
    Capabilities,
    Context,
    Doubtful,
    EventType,
    OneByOne,
    Outbound,
    Outcome,
    OutcomeUnknown,
    Part,
    PermanentFailure,
    ProviderEvent,
    Secret,
    Traced,
    TransientFailure,
    WebhookRequest,
)
from gateway.testkit import CHECKS, NOW, Case, Peer, Report, assert_conforms, check, outbound, outbounds, silent_server

KEY = "a-key-that-nobody-guesses"


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    host: str = "127.0.0.1"
    port: int = 9
    key: Secret
    timeout_s: float = 5.0


class Call(Struct, frozen=True, kw_only=True):
    id: str
    message: str


class Telegraph(OneByOne):
    """A small well-behaved channel: it writes a line to a TCP server and reads a line back."""

    kind: ClassVar[str] = "telegraph"
    api: ClassVar[int] = API
    config_type: ClassVar[type[Struct]] = Config
    capabilities: ClassVar[Capabilities] = Capabilities(
        address_kind="station",
        parts={"line": Part(kind="line", max_chars=200), "more": Part(kind="html", required=False)},
        timeout_s=10,
        reports=frozenset({EventType.DELIVERED}),
    )

    async def send_one(self, message: Outbound) -> str | None:
        answer = await self.ask(f"{message.address.value}\t{message.parts['line']}")
        if answer == "no":
            raise PermanentFailure("no-station", "there is no such station")
        return answer

    async def look_up(self, messages: Sequence[Doubtful]) -> Sequence[Traced]:
        answers = {each.message.id: await self.ask(f"?{each.message.address.value}") for each in messages}
        return [Traced(message_id=id, provider_ids=(sent,)) for id, sent in answers.items() if sent != "no"]

    async def ask(self, line: str) -> str:
        try:
            reader, writer = await asyncio.open_connection(self.config.host, self.config.port)
        except OSError:
            raise TransientFailure("no-line", "the telegraph office is closed") from None
        try:
            writer.write(f"{line}\n".encode())
            async with asyncio.timeout(self.config.timeout_s):
                answer = await reader.readline()
        except (ConnectionError, TimeoutError):
            answer = b""
        finally:
            writer.close()
        if not answer:
            raise OutcomeUnknown("cut", "the line was cut")
        return answer.decode().strip()

    def verify(self, request: WebhookRequest) -> None:
        expected = hmac.digest(self.config.key.reveal().encode(), request.body, "sha256").hex()
        if not hmac.compare_digest(expected, request.headers.get("x-signature", "")):
            raise BadSignature

    def parse(self, request: WebhookRequest) -> Iterable[ProviderEvent]:
        try:
            call = msgspec.json.decode(request.body, type=Call)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise BadWebhook("not a report") from None
        if not (call.id.isprintable() and 0 < len(call.id) < 256 and call.message.isprintable() and call.message):
            raise BadWebhook("no ids")
        yield ProviderEvent(type=EventType.DELIVERED, event_id=call.id, message_id=call.message[:255])


@asynccontextmanager
async def office() -> AsyncIterator[Peer]:
    """The telegraph office. It knows all stations but those that begin with `no-`; `?` asks whether it wrote to one."""
    sent: set[bytes] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await reader.readline()
        asked, station = line.startswith(b"?"), line.lstrip(b"?").split(b"\t")[0].strip()
        known = station in sent if asked else not station.startswith(b"no-")
        if not asked:
            sent.add(station)
        writer.write(b"t-" + station + b"\n" if known else b"no\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield Peer(config={"port": server.sockets[0].getsockname()[1]})


@asynccontextmanager
async def deaf_office() -> AsyncIterator[Peer]:
    async with silent_server() as (_, port):
        yield Peer(config={"port": port})


def signed_reports() -> Sequence[WebhookRequest]:
    body = json.dumps({"id": "e-1", "message": "send-1-1"}).encode()
    signature = hmac.digest(KEY.encode(), body, "sha256").hex()
    headers = {"x-signature": signature, "content-type": "application/json"}
    url = "https://gateway.example/hooks/telegraph"
    return [WebhookRequest(method="POST", url=url, headers=headers, query=[], body=body, received_at=NOW)]


STATIONS = [Address(kind="station", value=f"station-{number}.example") for number in range(1, 4)]
NOWHERE = outbound(Telegraph.capabilities, Address(kind="station", value="no-such-station.example"), number=9)


def case(channel: type = Telegraph, **changes: Any) -> Case:
    told = Case(
        channel=channel,
        config={"key": KEY},
        messages=outbounds(Telegraph.capabilities, STATIONS),
        refused=[NOWHERE],
        peer=office,
        silent=deaf_office,
        mute=deaf_office,
        reports=signed_reports,
    )
    return msgspec.structs.replace(told, **changes)


def variant(**members: Any) -> type:
    return type("Variant", (Telegraph,), members)


def capabilities(**changes: Any) -> Capabilities:
    return msgspec.structs.replace(Telegraph.capabilities, **changes)


def assert_only_failed(report: Report, name: str, reason: str) -> None:
    assert {finding.check for finding in report.failed} == {name}, str(report)
    assert reason in report.failed[0].reason


ASKED = variant(capabilities=capabilities(reconciles=True))
"""The sound channel, which can be asked what became of a message."""


async def test_a_sound_channel_passes_every_check_that_applies() -> None:
    report = await assert_conforms(case(ASKED))
    verdicts = {finding.check: finding.verdict for finding in report.findings}
    assert tuple(verdicts) == CHECKS
    assert {name for name, verdict in verdicts.items() if verdict == "not applicable"} == {
        "a_batch_is_made_again_byte_for_byte",
        "a_part_holds_its_pieces_and_no_others",
        "a_part_keeps_the_numbers_of_its_pieces",
        "a_refused_piece_leaves_nothing_of_its_part",
        "the_papers_add_up",
        "a_proof_and_a_picture_can_be_looked_at",
        "the_same_message_twice_has_the_same_key",
        "what_people_write_back_is_read",
    }
    assert {name for name, verdict in verdicts.items() if verdict == "not tried"} == OVER_HTTP


OVER_HTTP = {
    "nonsense_is_not_taken_for_a_refusal",
    "trouble_at_the_provider_fails_nobody_for_good",
    "refused_credentials_are_no_fault_of_the_message",
    "a_request_to_slow_down_is_heeded",
    "a_dead_address_is_told_apart_from_a_refusal",
}
"""What the kit can play for a channel that speaks HTTP, and for others only where the case starts such peers."""


async def test_a_case_that_names_no_peer_is_told_what_was_not_tried() -> None:
    report = await check(case(peer=None, silent=None, mute=None, refused=()))
    verdicts = {finding.check: finding.verdict for finding in report.findings}
    assert report.conforms
    assert verdicts["every_message_gets_exactly_one_outcome"] == "not tried"
    assert verdicts["a_cancelled_send_ends_promptly"] == "not tried"


async def test_what_cannot_be_tried_can_be_waived_with_a_reason_and_a_failure_cannot() -> None:
    waived = dict.fromkeys(OVER_HTTP | {"every_message_gets_an_id_of_its_own"}, "a telegraph has no such thing")
    report = await check(case(waived=waived))
    verdicts = {finding.check: finding.verdict for finding in report.findings}
    assert {verdicts[name] for name in OVER_HTTP} == {"not applicable"}
    assert verdicts["every_message_gets_an_id_of_its_own"] == "passed"
    alike = await check(case(variant(send_one=_says("t-1")), waived=waived))
    assert "every_message_gets_an_id_of_its_own" in {finding.check for finding in alike.failed}


def _says(id: str) -> Any:
    async def send_one(self: Any, message: Outbound) -> str | None:
        await Telegraph.send_one(self, message)
        return id

    return send_one


async def test_a_report_reads_as_a_table_and_an_assertion_shows_it() -> None:
    with pytest.raises(AssertionError, match="1 checks failed") as caught:
        await assert_conforms(case(variant(api=API + 1)))
    assert "FAILED  it has the shape of a channel: it was written for version 2" in str(caught.value)


async def test_a_class_without_the_shape_is_not_tried_any_further() -> None:
    report = await check(case(variant(api=API + 1)))
    assert [finding.verdict for finding in report.findings] == ["failed"] + ["not tried"] * (len(CHECKS) - 1)


async def test_what_is_no_class_fails_the_first_check() -> None:
    report = await check(case(channel="channels.telegraph"))  # type: ignore[arg-type]
    assert "it is not a class" in report.failed[0].reason


# --- the config


async def test_a_nested_table_that_lets_unknown_keys_pass_is_found() -> None:
    class Line(Struct, frozen=True):
        gauge: int = 1

    class Loose(Config, frozen=True, kw_only=True, forbid_unknown_fields=True):
        line: Line | None = None

    report = await check(case(variant(config_type=Loose)))
    assert_only_failed(report, "its_config_refuses_unknown_keys", "nested Line")


async def test_a_password_in_a_plain_string_is_found() -> None:
    class Careless(Config, frozen=True, kw_only=True, forbid_unknown_fields=True):
        password: str | None = None

    report = await check(case(variant(config_type=Careless)))
    assert_only_failed(report, "its_config_shows_no_secret", "`password`")


async def test_a_secret_that_the_repr_shows_is_found() -> None:
    class Shown(Config, frozen=True, kw_only=True, forbid_unknown_fields=True):
        def __repr__(self) -> str:
            return f"Shown(key={self.key.reveal()})"

    report = await check(case(variant(config_type=Shown)))
    assert_only_failed(report, "its_config_shows_no_secret", "repr")


async def test_a_secret_that_only_the_case_knows_of_is_looked_for_too() -> None:
    report = await check(case(config={"key": KEY, "host": "127.0.0.1"}, secrets=["127.0.0.1"]))
    assert_only_failed(report, "its_config_shows_no_secret", "repr")


# --- building and closing


async def test_a_constructor_that_reads_a_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "stations.txt").write_text("rome")

    def __init__(self: Any, config: Any, context: Context) -> None:
        OneByOne.__init__(self, config, context)
        self.stations = (tmp_path / "stations.txt").read_text()

    report = await check(case(variant(__init__=__init__)))
    assert_only_failed(report, "building_it_does_no_io", "open of a file")


async def test_a_constructor_that_opens_a_connection_is_found() -> None:
    def __init__(self: Any, config: Any, context: Context) -> None:
        import socket

        OneByOne.__init__(self, config, context)
        socket.getaddrinfo("localhost", 25)

    report = await check(case(variant(__init__=__init__)))
    assert_only_failed(report, "building_it_does_no_io", "socket.getaddrinfo")


async def test_a_close_that_needs_an_open_is_found() -> None:
    async def open_(self: Any) -> None:
        self.line = object()

    async def close(self: Any) -> None:
        del self.line

    report = await check(case(variant(open=open_, close=close)))
    assert "closing_it_twice_or_unopened_does_no_harm" in {finding.check for finding in report.failed}


# --- sending


def sending(send: Any) -> type:
    return variant(send=send)


async def test_a_message_without_an_outcome_is_found() -> None:
    async def send(self: Any, batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        async for outcome in OneByOne.send(self, batch):
            if outcome.message_id != batch[-1].id:
                yield outcome

    report = await check(case(sending(send)))
    found = {finding.check: finding.reason for finding in report.failed}
    assert "no outcome for send-3-1" in found["every_message_gets_exactly_one_outcome"]


async def test_two_outcomes_for_one_message_are_found() -> None:
    async def send(self: Any, batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        async for outcome in OneByOne.send(self, batch):
            yield outcome
            yield outcome

    report = await check(case(sending(send)))
    assert "every_message_gets_exactly_one_outcome" in {finding.check for finding in report.failed}


@pytest.mark.parametrize(
    "error", [KeyError(), SystemExit(), KeyboardInterrupt()], ids=lambda error: type(error).__name__
)
async def test_an_exception_out_of_send_is_found(error: BaseException) -> None:
    async def send(self: Any, batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        yield Outcome.accepted(batch[0])
        raise error

    report = await check(case(sending(send)))
    found = {finding.check: finding.reason for finding in report.failed}
    assert type(error).__name__ in found["every_message_gets_exactly_one_outcome"]


async def test_a_refused_message_that_stops_the_batch_is_found() -> None:
    async def send(self: Any, batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        for number, message in enumerate(batch):
            try:
                yield Outcome.accepted(message, await self.send_one(message))
            except PermanentFailure as failure:
                for left in batch[number:]:
                    yield Outcome.failed(left, failure)
                return
            except TransientFailure as failure:
                yield Outcome.failed(message, failure)

    report = await check(case(sending(send)))
    assert_only_failed(report, "a_refused_message_does_not_stop_the_others", "failed because another one did")


async def test_an_outage_taken_for_a_refusal_is_found() -> None:
    async def send_one(self: Any, message: Outbound) -> str | None:
        try:
            return await Telegraph.send_one(self, message)
        except TransientFailure:
            raise PermanentFailure("no-line") from None

    report = await check(case(variant(send_one=send_one)))
    assert_only_failed(report, "an_unreachable_provider_gives_outcomes_and_no_exception", "only away")


async def test_a_swallowed_cancellation_is_found() -> None:
    release = asyncio.Event()

    async def send_one(self: Any, message: Outbound) -> str | None:
        try:
            return await Telegraph.send_one(self, message)
        except asyncio.CancelledError:
            await release.wait()
            raise

    report = await check(case(variant(send_one=send_one)))
    release.set()
    assert_only_failed(report, "a_cancelled_send_ends_promptly", "let CancelledError pass")


async def test_a_send_that_ignores_its_own_time_limit_is_found() -> None:
    async def send_one(self: Any, message: Outbound) -> str | None:
        await asyncio.Event().wait()
        return None

    slow = variant(send_one=send_one, capabilities=capabilities(timeout_s=0.2))
    report = await check(case(slow))
    found = {finding.check: finding.reason for finding in report.failed}
    assert "timeout_s of 0.2 s" in found["every_message_gets_exactly_one_outcome"]


# --- texts


@pytest.mark.parametrize(
    ("leak", "what"),
    [
        (lambda self, message: message.address.value, "address"),
        (lambda self, message: message.parts["more"], "body"),
        (lambda self, message: message.name, "name"),
        (lambda self, message: message.coupon.code, "coupon"),
        (lambda self, message: message.unsubscribe_url, "unsubscribe"),
        (lambda self, message: self.config.key.reveal(), "secret"),
    ],
)
async def test_a_leak_in_a_failure_or_a_log_is_found(leak: Any, what: str) -> None:
    async def in_failure(self: Any, message: Outbound) -> str | None:
        try:
            return await Telegraph.send_one(self, message)
        except PermanentFailure:
            raise PermanentFailure("no-station", f"no station: {leak(self, message)}") from None

    async def in_log(self: Any, message: Outbound) -> str | None:
        self.context.log.info("telegraph.sent", line=leak(self, message))
        return await Telegraph.send_one(self, message)

    for send_one in (in_failure, in_log):
        report = await check(case(variant(send_one=send_one)))
        assert_only_failed(report, "no_failure_or_log_leaks_a_person_a_body_or_a_secret", what)


# --- verify and parse


@pytest.mark.parametrize("answer", [None, False, True])
async def test_a_verify_that_never_raises_is_found(answer: bool | None) -> None:
    report = await check(case(variant(verify=lambda self, request: answer)))
    assert "an_unsigned_call_is_refused" in {finding.check for finding in report.failed}


async def test_a_verify_that_stumbles_over_a_missing_header_is_found() -> None:
    def verify(self: Any, request: WebhookRequest) -> None:
        request.headers["x-signature"]
        Telegraph.verify(self, request)

    report = await check(case(variant(verify=verify)))
    assert_only_failed(report, "an_unsigned_call_is_refused", "KeyError, not BadSignature")


@pytest.mark.parametrize("error", [KeyError, RuntimeError])
async def test_a_stumble_before_the_signature_is_looked_at_is_found(error: type[Exception]) -> None:
    async def prepare(self: Any, request: WebhookRequest) -> None:
        if "x-signature" not in request.headers:
            raise error

    report = await check(case(variant(prepare=prepare)))
    assert_only_failed(report, "an_unsigned_call_is_refused", f"{error.__name__}, not BadSignature")


async def test_a_certificate_that_cannot_be_fetched_refuses_the_call() -> None:
    async def prepare(self: Any, request: WebhookRequest) -> None:
        if "x-signature" not in request.headers:
            raise TransientFailure("no-certificate")

    await assert_conforms(case(variant(prepare=prepare)))


async def test_a_signature_that_does_not_cover_the_body_is_found() -> None:
    def verify(self: Any, request: WebhookRequest) -> None:
        if len(request.headers.get("x-signature", "")) != 64:
            raise BadSignature

    report = await check(case(variant(verify=verify)))
    assert_only_failed(report, "a_genuine_call_is_accepted_and_an_altered_one_refused", "altered")


async def test_a_genuine_call_refused_is_found() -> None:
    report = await check(case(variant(verify=OneByOne.verify)))
    assert_only_failed(report, "a_genuine_call_is_accepted_and_an_altered_one_refused", "refuses a genuine call")


async def test_a_parse_that_raises_key_error_on_nonsense_is_found() -> None:
    def parse(self: Any, request: WebhookRequest) -> Iterable[ProviderEvent]:
        try:
            call = json.loads(request.body)
        except (ValueError, RecursionError):
            raise BadWebhook("no JSON") from None
        if not isinstance(call, dict):
            raise BadWebhook("no object")
        yield ProviderEvent(type=EventType.DELIVERED, event_id=str(call["id"])[:9], message_id="send-1-1")

    report = await check(case(variant(parse=parse)))
    assert_only_failed(report, "rubbish_is_told_as_bad_webhook_or_yields_nothing", "KeyError, not BadWebhook")


async def test_a_parse_that_breaks_on_a_bent_genuine_call_is_found() -> None:
    def parse(self: Any, request: WebhookRequest) -> Iterable[ProviderEvent]:
        try:
            call = json.loads(request.body)
            event_id, message = call["id"], call["message"]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise BadWebhook("not a report") from None
        yield ProviderEvent(type=EventType.DELIVERED, event_id=event_id.strip() or "none", message_id=str(message)[:9])

    report = await check(case(variant(parse=parse)))
    assert_only_failed(report, "rubbish_is_told_as_bad_webhook_or_yields_nothing", "not BadWebhook")


async def test_an_event_made_of_rubbish_is_found() -> None:
    def parse(self: Any, request: WebhookRequest) -> Iterable[ProviderEvent]:
        yield ProviderEvent(type=EventType.DELIVERED, event_id="e-1", message_id="send-1-1")

    report = await check(case(variant(parse=parse)))
    assert_only_failed(report, "rubbish_is_told_as_bad_webhook_or_yields_nothing", "made an event of rubbish")


async def test_an_event_that_was_not_announced_is_found() -> None:
    def parse(self: Any, request: WebhookRequest) -> Iterable[ProviderEvent]:
        for event in Telegraph.parse(self, request):
            yield msgspec.structs.replace(event, type=EventType.COMPLAINED)

    report = await check(case(variant(parse=parse)))
    assert_only_failed(report, "its_events_are_among_those_it_announced", "`complained`")


async def test_a_new_event_id_for_the_same_call_is_found() -> None:
    numbers = iter(range(1_000_000))

    def parse(self: Any, request: WebhookRequest) -> Iterable[ProviderEvent]:
        for event in Telegraph.parse(self, request):
            yield msgspec.structs.replace(event, event_id=f"e-{next(numbers)}")

    report = await check(case(variant(parse=parse)))
    assert_only_failed(report, "its_events_are_among_those_it_announced", "not pure")


async def test_announced_events_without_a_sample_are_told() -> None:
    report = await check(case(reports=None))
    assert {finding.check for finding in report.failed} == {
        "a_genuine_call_is_accepted_and_an_altered_one_refused",
        "its_events_are_among_those_it_announced",
    }


# --- looking up what may have gone out


FOUND_AGAIN = "what_it_took_is_found_again"


def asked(look_up: Any) -> type:
    """The sound channel with another `look_up`."""
    return variant(capabilities=capabilities(reconciles=True), look_up=look_up)


async def test_a_promise_to_reconcile_without_the_method_is_found() -> None:
    report = await check(case(asked(None)))
    assert "needs `look_up`, an `async def`" in report.failed[0].reason


async def test_a_channel_that_does_not_find_what_it_sent_is_found() -> None:
    async def look_up(self: Any, messages: Sequence[Doubtful]) -> Sequence[Traced]:
        return []

    report = await check(case(asked(look_up)))
    assert_only_failed(report, FOUND_AGAIN, "found none")


async def test_a_channel_that_calls_missing_what_it_sent_is_found() -> None:
    async def look_up(self: Any, messages: Sequence[Doubtful]) -> Sequence[Traced]:
        await self.ask("?")
        return [Traced(message_id=each.message.id) for each in messages]

    report = await check(case(asked(look_up)))
    assert_only_failed(report, FOUND_AGAIN, "but it was taken as t-station-1.example")


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (["t-1"], "gave a str"),
        ([Traced(message_id="send-1-1", provider_ids=(1,))], "gave a Traced"),  # type: ignore[arg-type]
        ([Traced(message_id="foreign", provider_ids=("t-1",))], "unasked"),
        ([Traced(message_id="send-1-1", provider_ids=("t-1",))] * 2, "more than once"),
    ],
)
async def test_a_look_up_that_talks_nonsense_is_found(told: Sequence[Any], reason: str) -> None:
    async def look_up(self: Any, messages: Sequence[Doubtful]) -> Sequence[Any]:
        await self.ask("?")
        return told

    report = await check(case(asked(look_up)))
    assert_only_failed(report, FOUND_AGAIN, reason)


async def test_a_channel_that_calls_missing_what_it_could_not_ask_for_is_found() -> None:
    async def look_up(self: Any, messages: Sequence[Doubtful]) -> Sequence[Traced]:
        try:
            return await Telegraph.look_up(self, messages)
        except TransientFailure:
            return [Traced(message_id=each.message.id) for each in messages]

    report = await check(case(asked(look_up)))
    assert_only_failed(report, "nobody_is_called_missing_while_the_provider_is_away", "nobody was there")
