"""What Twilio's error codes mean for WhatsApp, as a table. A code that is not here is judged by its HTTP status.

Source: https://www.twilio.com/docs/api/errors
"""

from collections.abc import Mapping
from typing import Final

from .verdicts import Meaning, Verdict

_NOT_ON_WHATSAPP: Final = Meaning(Verdict.PERMANENT, "not on WhatsApp, or not with a version that takes it")

CODES: Final[Mapping[int, Meaning]] = {
    14107: Meaning(Verdict.RATE_LIMITED, "the account sends faster than Twilio allows it"),
    20003: Meaning(Verdict.MISCONFIGURED, "Twilio refused account_sid and auth token"),
    20005: Meaning(Verdict.MISCONFIGURED, "the Twilio account is not active"),
    20404: Meaning(Verdict.MISCONFIGURED, "Twilio does not know this account"),
    20429: Meaning(Verdict.RATE_LIMITED, "too many requests to Twilio"),
    21211: Meaning(Verdict.GONE, "not a valid phone number"),
    21609: Meaning(Verdict.MISCONFIGURED, "Twilio refused the address for reports: check the gateway's public URL"),
    21610: Meaning(Verdict.OPTED_OUT, "the recipient opted out with STOP"),
    21611: Meaning(Verdict.LATER, "the sender's queue at Twilio is full", 60.0),
    21655: Meaning(Verdict.PERMANENT, "the template does not exist in this account: check its HX..."),
    21656: Meaning(Verdict.PERMANENT, "Twilio does not take the variables: compare them with the template"),
    21701: Meaning(Verdict.MISCONFIGURED, "the messaging service does not exist"),
    21703: Meaning(Verdict.MISCONFIGURED, "the messaging service has no sender"),
    30001: Meaning(Verdict.TRANSIENT, "Twilio's queue was full"),
    30002: Meaning(Verdict.MISCONFIGURED, "the Twilio account is suspended"),
    63001: Meaning(Verdict.MISCONFIGURED, "WhatsApp does not take the sender's credentials"),
    63003: _NOT_ON_WHATSAPP,
    63005: Meaning(Verdict.PERMANENT, "WhatsApp does not take this content"),
    63007: Meaning(Verdict.MISCONFIGURED, "the sender is no WhatsApp sender of this account"),
    63010: Meaning(Verdict.TRANSIENT, "Twilio had a problem with WhatsApp"),
    63012: Meaning(Verdict.TRANSIENT, "WhatsApp had a problem of its own"),
    63013: Meaning(Verdict.BLOCKED, "the message violates a policy of WhatsApp's"),
    63014: Meaning(Verdict.OPTED_OUT, "the person has blocked the sender"),
    63015: Meaning(Verdict.PERMANENT, "the sandbox writes only to those who have joined it"),
    63016: Meaning(Verdict.BLOCKED, "more than 24 hours since the person wrote: only a template may go out"),
    63018: Meaning(Verdict.RATE_LIMITED, "the sender or the business has reached a limit of WhatsApp's", 60.0),
    63020: Meaning(Verdict.MISCONFIGURED, "Twilio may not write for the business account yet: see WhatsApp Manager"),
    63021: Meaning(
        Verdict.PERMANENT, "the template with its variables is too long, or has what WhatsApp does not take"
    ),
    63022: Meaning(Verdict.MISCONFIGURED, "the sender's display name is not approved"),
    63024: _NOT_ON_WHATSAPP,
    63027: Meaning(Verdict.PERMANENT, "the template does not exist in this language"),
    63028: Meaning(Verdict.PERMANENT, "the template has another number of variables"),
    63030: Meaning(Verdict.PERMANENT, "a parameter is not one that WhatsApp knows"),
    63032: Meaning(Verdict.BLOCKED, "WhatsApp lets nobody write to this person for now"),
    63038: Meaning(Verdict.RATE_LIMITED, "the account has sent all that it may in a day", 3600.0),
    63040: Meaning(Verdict.BLOCKED, "the template was not approved"),
    63041: Meaning(Verdict.LATER, "the template is paused, because people dislike it", 3600.0),
    63042: Meaning(Verdict.BLOCKED, "the template is disabled, because people disliked it too often"),
    63049: Meaning(Verdict.BLOCKED, "Meta keeps marketing from this person for now"),
    92006: Meaning(Verdict.PERMANENT, "the template does not exist in this account: check its HX..."),
}
