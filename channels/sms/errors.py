"""What Twilio's error codes mean for a message, as a table.

Twilio adds finer codes over time and advises against hard-wiring them: a code that is not
here is judged by its HTTP status, and `[channels.sms] codes` overrules both.
Source: https://www.twilio.com/docs/api/errors
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final

from msgspec import Struct

from gateway.contract import (
    ChannelMisconfigured,
    Failure,
    OptedOut,
    OutcomeUnknown,
    PermanentFailure,
    RateLimited,
    RecipientGone,
    TransientFailure,
    retry_after_s,
)

NO_SUCH_COUNTRY: Final = "21408"
"""The account may not send to the number's country. One such number among many must not hold up all the others, so
that the message fails and the channel goes on; the log tells of each country once."""

_GUESSED_RETRY_S: Final = 10.0
_QUEUE_FULL_S: Final = 60.0


class Verdict(StrEnum):
    """Why a message did not go out, and so what to do next."""

    GONE = "gone"
    OPTED_OUT = "opted-out"
    UNREACHABLE = "unreachable"
    """The phone takes nothing just now."""
    BLOCKED = "blocked"
    """Refused because of us: our wording, our registration, our share of a carrier's day."""
    PERMANENT = "permanent"
    TRANSIENT = "transient"
    SENDER_BUSY = "sender-busy"
    """This sender has too much waiting; others may go on."""
    RATE_LIMITED = "rate-limited"
    MISCONFIGURED = "misconfigured"


class Meaning(Struct, frozen=True):
    verdict: Verdict
    text: str


CODES: Final[Mapping[str, Meaning]] = {
    "14107": Meaning(Verdict.RATE_LIMITED, "the account sends faster than Twilio allows it"),
    "20003": Meaning(Verdict.MISCONFIGURED, "Twilio refused account_sid and auth token"),
    "20005": Meaning(Verdict.MISCONFIGURED, "the Twilio account is not active"),
    "20404": Meaning(Verdict.MISCONFIGURED, "Twilio does not know this account"),
    "20429": Meaning(Verdict.RATE_LIMITED, "too many requests to Twilio"),
    "21211": Meaning(Verdict.GONE, "not a valid phone number"),
    "21212": Meaning(Verdict.MISCONFIGURED, "the sender is not a valid number or name"),
    "21217": Meaning(Verdict.GONE, "not a valid phone number"),
    "21265": Meaning(Verdict.GONE, "a short code, which takes no messages"),
    "21266": Meaning(Verdict.PERMANENT, "the number is the sender's own"),
    "21267": Meaning(Verdict.MISCONFIGURED, "a trial account may not send under a name"),
    NO_SUCH_COUNTRY: Meaning(
        Verdict.PERMANENT, "the account may not send to this country: enable it in Twilio's console"
    ),
    "21602": Meaning(Verdict.PERMANENT, "the text is empty"),
    "21603": Meaning(Verdict.MISCONFIGURED, "the sender is missing"),
    "21606": Meaning(Verdict.MISCONFIGURED, "the sender cannot send SMS for this account"),
    "21609": Meaning(
        Verdict.MISCONFIGURED, "Twilio refused the address for status reports: check the gateway's public URL"
    ),
    "21610": Meaning(Verdict.OPTED_OUT, "the recipient opted out with STOP"),
    "21611": Meaning(Verdict.SENDER_BUSY, "the sender's queue at Twilio is full"),
    "21612": Meaning(Verdict.PERMANENT, "no route from this sender to this number"),
    "21614": Meaning(Verdict.GONE, "not a mobile number"),
    "21617": Meaning(Verdict.PERMANENT, "the text is longer than 1600 characters"),
    "21635": Meaning(Verdict.GONE, "a landline number"),
    "21659": Meaning(Verdict.MISCONFIGURED, "the sender is not a number of Twilio's"),
    "21660": Meaning(Verdict.MISCONFIGURED, "the sender is a number of another account"),
    "21661": Meaning(Verdict.MISCONFIGURED, "the sender is a number that sends no SMS"),
    "21701": Meaning(Verdict.MISCONFIGURED, "the messaging service does not exist"),
    "21703": Meaning(Verdict.MISCONFIGURED, "the messaging service has no sender"),
    "21705": Meaning(Verdict.MISCONFIGURED, "the messaging service is not valid"),
    "30001": Meaning(Verdict.TRANSIENT, "Twilio's queue was full"),
    "30002": Meaning(Verdict.MISCONFIGURED, "the Twilio account is suspended"),
    "30003": Meaning(Verdict.UNREACHABLE, "the phone was switched off or out of reach"),
    "30004": Meaning(Verdict.PERMANENT, "the message was blocked"),
    "30005": Meaning(Verdict.GONE, "the number does not exist any more"),
    "30006": Meaning(Verdict.GONE, "a landline, or a carrier that takes no SMS"),
    "30007": Meaning(Verdict.BLOCKED, "a carrier filtered the message: look at its wording"),
    "30008": Meaning(Verdict.TRANSIENT, "the carrier gave no reason"),
    "30022": Meaning(Verdict.BLOCKED, "the campaign sends faster than US carriers allow it"),
    "30023": Meaning(Verdict.BLOCKED, "the brand has used up its day at a US carrier"),
    "30027": Meaning(Verdict.BLOCKED, "the brand has used up its day at T-Mobile"),
    "30032": Meaning(Verdict.BLOCKED, "the toll-free sender is not verified"),
    "30033": Meaning(Verdict.BLOCKED, "the A2P 10DLC campaign is suspended"),
    "30034": Meaning(Verdict.MISCONFIGURED, "the sender is not registered for A2P 10DLC"),
    "30036": Meaning(Verdict.PERMANENT, "it expired before Twilio could send it"),
}


def judge(code: str, overrules: Mapping[str, Verdict]) -> Meaning | None:
    """The meaning of a Twilio error code, or None where neither table nor operator knows it."""
    known = CODES.get(code)
    if code in overrules:
        return Meaning(overrules[code], known.text if known else f"Twilio error {code}")
    return known


def refusal(
    status: int, code: str | None, retry_after: str | None, overrules: Mapping[str, Verdict], now: datetime
) -> Failure:
    """The failure that an answer other than 2xx stands for.

    Nothing of Twilio's own text is kept: it quotes the number. `now` is the machine's clock.
    """
    meaning = judge(code, overrules) if code else None
    if meaning is None:
        return _by_status(status, code, retry_after, now)
    return _failure(meaning.verdict, code or "", meaning.text, retry_after, now)


def _failure(verdict: Verdict, code: str, text: str, retry_after: str | None, now: datetime) -> Failure:
    match verdict:
        case Verdict.GONE:
            return RecipientGone(code, text)
        case Verdict.OPTED_OUT:
            return OptedOut(code, text)
        case Verdict.PERMANENT | Verdict.BLOCKED:
            return PermanentFailure(code, text)
        case Verdict.TRANSIENT | Verdict.UNREACHABLE:
            return TransientFailure(code, text)
        case Verdict.SENDER_BUSY:
            return RateLimited(retry_after_s(retry_after, now, _QUEUE_FULL_S), code, text, scope="message")
        case Verdict.RATE_LIMITED:
            return RateLimited(retry_after_s(retry_after, now, _GUESSED_RETRY_S), code, text)
        case Verdict.MISCONFIGURED:
            return ChannelMisconfigured(code, text)


def _by_status(status: int, code: str | None, retry_after: str | None, now: datetime) -> Failure:
    name = code or f"http-{status}"
    if status == 429:
        return _failure(Verdict.RATE_LIMITED, name, "too many requests to Twilio", retry_after, now)
    if status >= 500:
        # Twilio's Messages have no idempotency key, and an error page does not prove that none was queued.
        return OutcomeUnknown(name, f"Twilio answered {status}")
    if status in (401, 403, 404):
        return ChannelMisconfigured(name, f"Twilio answered {status}: check account_sid, auth_tokens and base_url")
    if status < 400:
        return ChannelMisconfigured(name, f"an answer of {status} instead of Twilio's: check base_url")
    return PermanentFailure(name, f"Twilio refused the message with {status}")
