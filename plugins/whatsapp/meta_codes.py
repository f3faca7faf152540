"""What the Cloud API's error codes mean, as a table. Meta gives the same ones to calls and in reports.

Source: https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes
"""

from collections.abc import Mapping
from typing import Final

from .verdicts import Meaning, Verdict, by_status

_NO_SUCH_OBJECT: Final = 33
"""The Graph API's subcode: phone_number_id is none, or not the token's to use."""
_SETUP: Final = "the token lacks a permission for this number: look at the system user"

CODES: Final[Mapping[int, Meaning]] = {
    0: Meaning(Verdict.MISCONFIGURED, "Meta does not take access_token"),
    1: Meaning(Verdict.UNKNOWN, "Meta calls the error unknown"),
    2: Meaning(Verdict.TRANSIENT, "Meta is down or overloaded"),
    3: Meaning(Verdict.MISCONFIGURED, _SETUP),
    4: Meaning(Verdict.RATE_LIMITED, "the app makes too many calls", 60.0),
    10: Meaning(Verdict.MISCONFIGURED, _SETUP),
    33: Meaning(Verdict.MISCONFIGURED, "phone_number_id does not exist any more"),
    100: Meaning(Verdict.PERMANENT, "Meta does not understand the message: compare it with the template"),
    190: Meaning(Verdict.MISCONFIGURED, "access_token has expired or was withdrawn"),
    368: Meaning(Verdict.MISCONFIGURED, "the account is restricted for violating a policy"),
    80007: Meaning(Verdict.RATE_LIMITED, "the business account makes too many calls", 60.0),
    130429: Meaning(Verdict.RATE_LIMITED, "too many messages a second for this sender"),
    130472: Meaning(Verdict.BLOCKED, "the person is part of an experiment of Meta's, and gets no marketing"),
    130497: Meaning(Verdict.BLOCKED, "the account may not write to this country"),
    131000: Meaning(Verdict.TRANSIENT, "Meta failed to send it, and gives no reason"),
    131005: Meaning(Verdict.MISCONFIGURED, _SETUP),
    131008: Meaning(Verdict.PERMANENT, "a parameter is missing: compare the message with the template"),
    131009: Meaning(Verdict.PERMANENT, "a parameter is wrong: compare the message with the template"),
    131016: Meaning(Verdict.TRANSIENT, "a service of Meta's is not available"),
    131021: Meaning(Verdict.PERMANENT, "the number is the sender's own"),
    131026: Meaning(Verdict.PERMANENT, "not on WhatsApp, or not with a version that takes it"),
    131030: Meaning(Verdict.PERMANENT, "a test number writes only to the numbers on its list"),
    131031: Meaning(Verdict.MISCONFIGURED, "the business account is locked"),
    131037: Meaning(Verdict.MISCONFIGURED, "the sender's display name is not approved"),
    131042: Meaning(Verdict.MISCONFIGURED, "the account's way of payment does not work"),
    131045: Meaning(Verdict.MISCONFIGURED, "the sender is not registered properly"),
    131047: Meaning(Verdict.BLOCKED, "more than 24 hours since the person wrote: only a template may go out"),
    131048: Meaning(Verdict.RATE_LIMITED, "the sender is limited, because people block or report it", 3600.0),
    131049: Meaning(Verdict.BLOCKED, "Meta keeps marketing from this person for now"),
    131050: Meaning(Verdict.OPTED_OUT, "the person has stopped marketing from this business"),
    131051: Meaning(Verdict.PERMANENT, "Meta does not know this type of message"),
    131056: Meaning(Verdict.LATER, "too many messages to this person in a short time", 60.0),
    131057: Meaning(Verdict.TRANSIENT, "the account is being worked on by Meta"),
    132000: Meaning(Verdict.PERMANENT, "the template has another number of variables"),
    132001: Meaning(Verdict.PERMANENT, "the template does not exist in this language, or is not approved"),
    132005: Meaning(Verdict.PERMANENT, "the template with its variables is too long"),
    132007: Meaning(Verdict.BLOCKED, "what is in the variables violates a policy on their format"),
    132012: Meaning(Verdict.PERMANENT, "a variable has not the format that the template asks for"),
    132015: Meaning(Verdict.LATER, "the template is paused, because people dislike it", 3600.0),
    132016: Meaning(Verdict.BLOCKED, "the template is disabled, because people disliked it too often"),
    133004: Meaning(Verdict.TRANSIENT, "Meta's server is not available for now"),
    133010: Meaning(Verdict.MISCONFIGURED, "the sender is not registered with the Cloud API"),
}


def judge(code: int) -> Meaning | None:
    """The meaning of a code; None where it is not known."""
    return Meaning(Verdict.MISCONFIGURED, _SETUP) if 200 <= code <= 299 else CODES.get(code)


def refused(status: int, code: int | None, subcode: int | None) -> Meaning:
    """The meaning of an answer that is no 2xx."""
    if code == 100 and subcode == _NO_SUCH_OBJECT:
        return CODES[33]
    known = None if code is None else judge(code)
    return known or by_status(status)
