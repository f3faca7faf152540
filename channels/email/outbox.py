"""The messages of a window that no connection carries yet: composed, in their order, and as their domains allow."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from channels.email.address import BadAddress, mailbox
from channels.email.domains import Busy, Destination, Domains
from channels.email.mail import Mail
from gateway.contract import Failure, Outbound, Outcome, RateLimited

_WRITTEN_AT_ONCE: Final = 10


class Parcel:
    """A message on its way. `tries` counts how often a connection ended while it was its turn."""

    __slots__ = ("destination", "domain", "mail", "message", "tries")

    def __init__(self, message: Outbound) -> None:
        self.message = message
        self.mail: Mail | None = None
        self.domain = ""
        self.destination: Destination | None = None
        self.tries = 0


class Outbox:
    """What cannot be composed, or must wait for longer than this window lasts, is told and not kept."""

    def __init__(
        self,
        batch: Sequence[Outbound],
        compose: Callable[[Outbound], Mail],
        domains: Domains,
        tell: Callable[[Outcome], None],
        *,
        is_slow: bool,
    ) -> None:
        """`is_slow`: composing takes so long that `write_ahead` does it, in a thread."""
        parcels = deque(map(Parcel, batch))
        self.unwritten = parcels if is_slow else deque[Parcel]()
        self._waiting = deque[Parcel]() if is_slow else parcels
        self._held: dict[Destination, deque[Parcel]] = {}
        self._compose = compose
        self._domains = domains
        self._tell = tell
        self._loop = asyncio.get_running_loop()

    @property
    def ready(self) -> int:
        """How many could be carried now."""
        return len(self._waiting)

    def has_mail(self) -> bool:
        """Whether there is something to connect for: what makes no mail is told beforehand."""
        waiting = self._waiting
        while waiting and waiting[0].mail is None and self._written(waiting[0]) is None:
            waiting.popleft()
        return bool(waiting)

    def take(self) -> Parcel | None:
        """The next one that may go, composed, and counted at its destination until `done`."""
        while self._waiting:
            parcel = self._waiting.popleft()
            if self._is_let_through(parcel):
                if parcel.mail is not None or self._written(parcel) is not None:
                    return parcel
                self.done(parcel)
        return None

    def put_back(self, parcel: Parcel) -> None:
        """To be taken again, before the others."""
        self._waiting.appendleft(parcel)

    def done(self, parcel: Parcel) -> None:
        """The parcel is under way no longer: one that was held because of it may ask again."""
        destination, parcel.destination = parcel.destination, None
        if destination is not None:
            destination.done()
            held = self._held.get(destination)
            if held:
                self._waiting.appendleft(held.popleft())

    async def write_ahead(self, go_on: Callable[[], None]) -> None:
        """Compose in a thread, and say so after each few."""
        while self.unwritten:
            some = [self.unwritten.popleft() for _ in range(min(_WRITTEN_AT_ONCE, len(self.unwritten)))]
            for parcel, mail in zip(some, await asyncio.to_thread(self._composed, some), strict=True):
                if isinstance(mail, Failure):
                    self._tell(Outcome.failed(parcel.message, mail))
                else:
                    parcel.mail = mail
                    self._waiting.append(parcel)
            go_on()

    def left(self) -> Iterator[Outbound]:
        """Those that nobody has come for."""
        return (parcel.message for parcel in (*self._waiting, *self.unwritten))

    def held(self) -> Iterator[Outbound]:
        """Those whose destinations were busy to the end."""
        return (parcel.message for held in self._held.values() for parcel in held)

    def _written(self, parcel: Parcel) -> Mail | None:
        """The mail that the message makes; None where it makes none, which is told."""
        try:
            parcel.mail = self._compose(parcel.message)
        except Failure as failure:
            self._tell(Outcome.failed(parcel.message, failure))
        return parcel.mail

    def _composed(self, parcels: Sequence[Parcel]) -> list[Mail | Failure]:
        mails: list[Mail | Failure] = []
        for parcel in parcels:
            try:
                mails.append(self._compose(parcel.message))
            except Failure as failure:
                mails.append(failure)
        return mails

    def _is_let_through(self, parcel: Parcel) -> bool:
        """Whether a mail to its domain can begin now. If not, the parcel is held, or its outcome told."""
        parcel.domain = parcel.domain or _domain_of(parcel.message)
        destination = self._domains.get(parcel.domain)
        if destination is None:
            return True
        try:
            destination.begin(self._loop.time(), urgent=parcel.message.urgent)
        except Busy:
            self._held.setdefault(destination, deque()).append(parcel)
            return False
        except RateLimited as later:
            self._tell(Outcome.failed(parcel.message, later))
            return False
        parcel.destination = destination
        return True


def _domain_of(message: Outbound) -> str:
    """As the rules name it. Empty where the address is none: composing will say so."""
    value = message.address.value
    if value.isascii():
        return value.rpartition("@")[2].lower()
    try:
        return mailbox(value).domain
    except BadAddress:
        return ""
