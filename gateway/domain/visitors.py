"""Who loads a picture or follows a link in a message: a person, or one of the programs that do so before or for them.

What a visitor says of itself is a hint and no proof; when it comes tells more. Nothing that matters hangs on it: caps,
suppression and consent never ask.
"""

import re
from datetime import timedelta
from typing import Final

from gateway.contract import Visitor

TOO_SOON: Final = timedelta(seconds=2)
"""Nobody reads this fast: what comes so soon after a message was handed over is the receiver's scanner."""
MANY_LINKS: Final = 3
"""So many different links of one message..."""
AT_ONCE: Final = timedelta(seconds=10)
"""...within so long are a scanner that tries them all."""

# Mail filters and link previews follow links before people do, or instead of them.
_BOTS: Final = re.compile(
    r"bot\b|bot/|crawl|spider|slurp|preview|scan|prefetch|monitor|headless|curl|wget|python|java/|go-http|okhttp"
    r"|facebookexternalhit|whatsapp|skype|slack|barracuda|mimecast|proofpoint|safelinks|symantec|trendmicro",
    re.IGNORECASE,
)
# Mail providers fetch pictures once, for whoever may look later.
_PROXIES: Final = re.compile(r"googleimageproxy|yahoomailproxy|ymailproxy|duckduckgo", re.IGNORECASE)
# Apple's Mail Privacy Protection loads every picture of every mail, and says no more of itself than this;
# Gmail's prefetch says that it is an Edge of version 12.246.
_PREFETCHERS: Final = re.compile(r"Mozilla/5\.0|.*Edge/12\.246 Mozilla/5\.0")


def visitor(agent: str, purpose: str) -> Visitor:
    """What a visitor says of itself in User-Agent, and in Sec-Purpose or Purpose."""
    if not agent or "prefetch" in purpose.lower() or "preview" in purpose.lower():
        return "bot"
    if _PROXIES.search(agent) or _PREFETCHERS.fullmatch(agent.strip()):
        return "proxy"
    return "bot" if _BOTS.search(agent) else "human"


def judged(said: Visitor, after: timedelta | None) -> Visitor:
    """The same, knowing how long after its acceptance the message was looked at; None where that is not on record."""
    return "bot" if said == "human" and after is not None and after < TOO_SOON else said
