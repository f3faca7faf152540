"""When a print run is closed, and when what is in it is mailed."""

from datetime import datetime, time, timedelta
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct

from gateway.domain.wall_time import instant

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_DAY: Final = timedelta(days=1)


class CutOff(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When open batches are closed: at an hour of some days on the installation's clock, and at so many pieces.

    Without days and `max_pieces` somebody closes them by hand.
    """

    days: tuple[Day, ...] = ()
    at: time = time(16)
    max_pieces: Annotated[int, Meta(ge=1, le=10_000_000)] | None = None

    def after(self, at: datetime, zone: ZoneInfo | None) -> datetime | None:
        """The first cut-off later than `at`, in UTC; None without days."""
        return self._nearest(at, zone, _DAY)

    def before(self, at: datetime, zone: ZoneInfo | None) -> datetime | None:
        """The last cut-off earlier than `at`."""
        return self._nearest(at, zone, -_DAY)

    def _nearest(self, at: datetime, zone: ZoneInfo | None, step: timedelta) -> datetime | None:
        if not self.days or zone is None:
            return None
        day = at.astimezone(zone).date()
        for _ in range(len(DAYS) + 2):
            found = instant(datetime.combine(day, self.at), zone)
            if DAYS[day.weekday()] in self.days and (found > at if step > timedelta(0) else found < at):
                return found
            day += step
        return None


class Mailing(Struct, frozen=True, kw_only=True):
    """From the decision for a message to its mailing, for paper; for all others they are one instant."""

    lead: timedelta = timedelta(0)
    cut_off: CutOff = CutOff()
    zone: ZoneInfo | None = None

    def planned_for(self, at: datetime) -> datetime:
        """When what is gathered at `at` is to be mailed: `lead` behind the next cut-off. Its slot is dated so."""
        return (self.cut_off.after(at, self.zone) or at) + self.lead

    def gathered_for(self, mailing_at: datetime) -> datetime:
        """The earliest instant at which to gather what may not be mailed before `mailing_at`."""
        close_at = mailing_at - self.lead
        return self.cut_off.before(close_at, self.zone) or close_at
