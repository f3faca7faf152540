"""The people and jobs of a run."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from tests.acceptance.chaos.evidence import Cap, Person
from tests.acceptance.chaos.receiver import BOUNCES

CAPS: Final = (
    Cap(name="one at a time", max=1, window=timedelta(seconds=15)),
    Cap(name="two in a week", max=2, window=timedelta(days=7)),
)
OFFER: Final = {"key": "w15", "title": "15 %", "kind": "percentage", "value": 15, "valid_for": "P7D"}

_NAMES: Final = ("Łucja", "Νίκος", "Юлия", "ليلى", "Zoë 🌻", "Giosuè", "נועה", "Þórunn")
_GROUPS: Final = 10
_STRANGERS: Final = 20


def people(waves: int, each: int) -> list[Person]:
    """Three in a hundred never agreed, two in a hundred have an address that bounces."""
    return [
        Person(id=f"c{wave}-{n}", agreed=n % 100 not in (7, 41, 88), bounces=n % 50 == 4)
        for wave in range(waves)
        for n in range(each)
    ]


def address(person: Person) -> str:
    return f"{BOUNCES if person.bounces else 'box'}-{person.id}@example.com"


def recipient_lines(everyone: Sequence[Person]) -> list[dict[str, Any]]:
    return [
        {
            "id": person.id,
            "name": _NAMES[_number(person) % len(_NAMES)],
            "attributes": {"wave": _wave(person), "group": _number(person) % _GROUPS},
            "addresses": [{"kind": "email", "value": address(person)}],
        }
        for person in everyone
    ]


def consent_lines(everyone: Sequence[Person]) -> list[dict[str, Any]]:
    grant = {"channel": "email", "purpose": "marketing", "action": "granted", "source": "form"}
    return [{"recipient": person.id, "at": "2026-01-01T00:00:00Z", **grant} for person in everyone if person.agreed]


def wave_of_jobs(number: int, everyone: Sequence[Person]) -> list[tuple[dict[str, Any], frozenset[str]]]:
    """Three jobs, each with the ids of its audience; every two of the audiences overlap."""
    there = [person for person in everyone if _wave(person) == number]
    coupon, news = range(6), range(4, 10)
    named = [person.id for person in there if _number(person) % 4 == 0]
    strangers = [f"x{number}-{n}" for n in range(_STRANGERS)]
    later = {"after": "PT5S", "only_if": "not_redeemed"}
    return [
        (
            {
                **_job(f"coupon-{number}", _groups(number, coupon)),
                "steps": [_step(0, code="{{ coupon.code }}"), {**_step(1, code="{{ coupon.code }}"), **later}],
                "offer": OFFER["key"],
            },
            frozenset(person.id for person in there if _number(person) % _GROUPS in coupon),
        ),
        (
            {**_job(f"news-{number}", _groups(number, news)), "over_cap": "skip"},
            frozenset(person.id for person in there if _number(person) % _GROUPS in news),
        ),
        (
            _job(f"named-{number}", {"kind": "ids", "ids": named + strangers}),
            frozenset(named + strangers),
        ),
    ]


def urgent_job(number: int, person: Person) -> dict[str, Any]:
    audience = {"kind": "inline", "recipients": [{"id": person.id}]}
    return {**_job(f"urgent-{number}", audience), "purpose": "transactional", "steps": [_step(0, out="")]}


def _job(name: str, audience: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "purpose": "marketing", "audience": audience, "steps": [_step(0)]}


def _groups(wave: int, groups: range) -> dict[str, Any]:
    of = [
        {"op": "attribute", "name": "wave", "any_of": [wave]},
        {"op": "attribute", "name": "group", "any_of": list(groups)},
    ]
    return {"kind": "matching", "where": {"op": "all", "of": of}}


def _step(number: int, code: str = "-", out: str = "{{ unsubscribe_url }}") -> dict[str, Any]:
    """A message that says for whom, for what and with which code it was made."""
    subject = f"{{{{ job.name }}}}/{{{{ recipient.external_id }}}}/{number} · {code} · {{{{ recipient.name }}}}"
    return {
        "name": f"step-{number}",
        "channels": ["email"],
        "content": {"email": {"en": {"subject": subject, "text": f"Come back.\n{out}"}}},
    }


def _wave(person: Person) -> int:
    return int(person.id.partition("-")[0].removeprefix("c"))


def _number(person: Person) -> int:
    return int(person.id.partition("-")[2])
