"""Towns full of people about whom everything that a decision asks can be this way or that."""

import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from hypothesis import strategies as st
from msgspec import structs
from sqlalchemy import insert

from gateway.domain.consent import ConsentRow
from gateway.domain.policy import BasisRule, CapRule, Holdout, Register
from gateway.domain.preferences import OwnCap, Preferences
from gateway.domain.states import State
from gateway.domain.words import shard_of
from gateway.services import consent, people
from gateway.storage import preferences, recipients, screenings, suppressions
from gateway.storage.screenings import Screening
from gateway.storage.tables import sends
from tests.builders import World, cap, device, job, person, postal, quiet, step

_SERIAL = itertools.count(1)

NAMES: Final = (
    "Niccolò D’Amico",
    "Мария Ёлкина",
    "Ἀθηνᾶ Παπαδοπούλου",
    "Łucja Źdźbło",
    "🎈 Zoë 👩‍👩‍👧",
    "ليلى حداد",
    "דוד לוי",
)
INSTANTS: Final = tuple(
    datetime.fromisoformat(text).astimezone(UTC)
    for text in (
        "2026-11-20T12:17:23+00:00",
        "2026-11-20T20:43:41+00:00",
        "2026-10-24T23:11:57+00:00",  # an hour before Rome turns its clocks back
        "2026-03-28T22:39:07+00:00",  # the evening before it turns them forward
        "2026-12-31T22:51:33+00:00",
    )
)
REGISTERS: Final = ("rpo", "bloctel")
CHANNELS: Final = ("email", "sms", "postal", "push", "app")
_SAID: Final = st.sampled_from([None, None, *["granted"] * 7, "withdrawn"])
_PASTS: Final = (
    (("email", 3.1),),
    (("sms", 30.9), ("email", 75.2)),
    (("postal", -39.3),),
    (("app", 11.7), ("email", 30.9), ("postal", 500.6)),
)
"""Channels, and how many hours ago each took a slot; paper has taken one that is still to come."""

traits_ = st.fixed_dictionaries(
    {
        "name": st.sampled_from(NAMES),
        "country": st.sampled_from([None, "IT", "IT", "FR", "DE", "US", "GR", "PL"]),
        "zone": st.sampled_from([None, None, "Europe/Rome", "Asia/Kathmandu", "America/Los_Angeles", "Pacific/Apia"]),
        "lacks": st.sampled_from([(), (), (), ("email",), ("phone", "webpush"), ("postal", "email", "phone")]),
        "second_mail": st.booleans(),
        "said": st.fixed_dictionaries(dict.fromkeys(CHANNELS, _SAID)),
        "suppressed": st.sampled_from([None, None, None, None, "email", "phone", "postal"]),
        "register": st.sampled_from(
            [{}, {}, {"rpo": "listed"}, {"rpo": "stale"}, {"rpo": "cleared", "bloctel": "cleared"}]
        ),
        "paused_hours": st.sampled_from([None] * 9 + [-5, 3, 90]),
        "own_cap": st.sampled_from([None, None, None, None, (1, 24 * 7), (2, 24 * 30), (1, 6)]),
        "past": st.sampled_from([(), (), *_PASTS]),
        "has_rival": st.booleans(),
        "known": st.sampled_from(["yes"] * 8 + ["told", "told", "no"]),
    }
)
town_ = st.integers(1, 40).flatmap(lambda size: st.lists(traits_, min_size=size, max_size=size))

_caps = st.lists(
    st.builds(cap, st.integers(1, 2), st.sampled_from([0.25, 1, 7, 21]))
    | st.builds(cap, st.just(1), st.just(5), st.sampled_from(["email", "postal"]))
    | st.builds(CapRule, name=st.just("cap"), max=st.integers(1, 2), period=st.sampled_from(["day", "week", "month"])),
    max_size=3,
)
policies_ = st.fixed_dictionaries(
    {
        "caps": _caps.map(lambda rules: [structs.replace(rule, name=f"c{n}") for n, rule in enumerate(rules)]),
        "quiet_hours": st.sampled_from(
            [
                (),
                (quiet("21:00", "08:00"), quiet("20:00", "09:00", countries=["US", "FR"], channels=["sms"])),
                (quiet("00:00", "00:00", days=["sun", "sat"]), quiet("22:30", "07:15")),
                (quiet("00:00", "00:00", countries=["DE"]),),
            ]
        ),
        "spread": st.sampled_from([timedelta(0), timedelta(minutes=45), timedelta(hours=12)]),
        "basis": st.sampled_from(
            [
                (),
                (
                    BasisRule(countries=("DE", "US"), purposes=("marketing",), basis="opt_in", channels=("postal",)),
                    BasisRule(countries=("FR",), purposes=("marketing", "service"), basis="opt_out"),
                ),
            ]
        ),
        "registers": st.sampled_from(
            [
                (),
                (
                    Register(name="rpo", countries=("IT",), channels=("postal", "sms"), valid_for=timedelta(days=30)),
                    Register(name="bloctel", countries=("FR", "IT"), channels=("sms",), valid_for=timedelta(days=30)),
                ),
            ]
        ),
        "holdout": st.sampled_from([Holdout(), Holdout(), Holdout(share=0.2)]),
    }
)
jobs_ = st.fixed_dictionaries(
    {
        "channels": st.permutations(CHANNELS).flatmap(
            lambda order: st.integers(1, 4).map(lambda count: list(order[:count]))
        ),
        "purpose": st.sampled_from(["marketing", "marketing", "service", "survey", "transactional"]),
        "over_cap": st.sampled_from(["wait", "skip"]),
        "after": st.sampled_from(["PT0S", "PT0S", "PT5H", "P3D"]),
        "ttl": st.sampled_from([None, "PT3H", "P2D"]),
        "expires_days": st.sampled_from([None, None, 4]),
        "local_time": st.sampled_from([None, None, "18:00:00", "02:30:00"]),
        "only_if": st.sampled_from(["always", "not_redeemed", "not_clicked"]),
        "caps": st.sampled_from([(), (), (CapRule(name="own", max=1, period="day"),)]),
        "holdout": st.sampled_from([0.0, 0.0, 0.3]),
        "obeys_caps": st.sampled_from([None, None, False]),
        "offer_hours": st.sampled_from([None, None, 2, 24 * 60]),
        "priority": st.sampled_from([5, 5, 9]),
    }
)


def settle(world: World, town: Sequence[Mapping[str, Any]], at: datetime) -> list[dict[str, Any]]:
    """Let these people live here as of `at`, and say how a job names each of them."""
    world.at(at)
    ids = [f"p-{next(_SERIAL)}" for _ in town]
    lived = [(id, traits) for id, traits in zip(ids, town, strict=True) if traits["known"] == "yes"]
    with world.db.transaction() as tx:
        prepared = [people.normalised(world.house, id, person(id, **_profile(id, traits))) for id, traits in lived]
        assert people.put_page(tx, prepared) == [None] * len(lived)
        rows = [row for id, traits in lived for row in _said(id, traits, at)]
        assert consent.record(tx, world.house, rows, "test") == [None] * len(rows)
    with world.db.transaction() as tx:
        known = recipients.ids_of(tx, [id for id, _ in lived])
        for id, traits in lived:
            if wish := _wish(traits, at):
                preferences.put(tx, known[id], wish, "test", at)
        everybody = list(zip(ids, town, strict=True))
        suppressions.add(tx, [place for id, traits in everybody for place in _gone(world, id, traits)], "gone", "t", at)
        screenings.put(tx, [said for id, traits in everybody for said in _screened(world, id, traits, at)])
    _give_a_past(world, [(known[id], traits) for id, traits in lived], at)
    _give_rivals(world, [id for id, traits in lived if traits["has_rival"]])
    return [_named(id, traits) for id, traits in zip(ids, town, strict=True)]


def _named(id: str, traits: Mapping[str, Any]) -> dict[str, Any]:
    if traits["known"] == "told":
        return {"id": id, "profile": _profile(id, traits)}
    return {"id": id}


def _profile(id: str, traits: Mapping[str, Any]) -> dict[str, Any]:
    places = {kind: address for kind, address in _addresses(id).items() if kind not in traits["lacks"]}
    mails = [{"kind": "email", "value": f"zweite-{id}@example.org"}] if traits["second_mail"] else []
    return {
        "name": traits["name"],
        "country": traits["country"],
        "time_zone": traits["zone"],
        "addresses": [*places.values(), *mails],
    }


def _addresses(id: str) -> dict[str, dict[str, Any]]:
    number = int(id.removeprefix("p-"))
    return {
        "email": {"kind": "email", "value": f"{id}@example.com"},
        "phone": {"kind": "phone", "value": f"+1{_AREAS[number % len(_AREAS)]}555{number % 10_000:04}"},
        "postal": postal(number),
        "webpush": device(id),
    }


_AREAS: Final = ("202", "213", "808", "416")
"""Washington, Los Angeles, Honolulu, Toronto."""


def _said(id: str, traits: Mapping[str, Any], at: datetime) -> list[ConsentRow]:
    return [
        ConsentRow(recipient=id, channel=channel, purpose=purpose, action=said, at=at, source="form")
        for channel, said in traits["said"].items()
        for purpose in ("marketing", "survey", "service")
        if said is not None
    ]


def _wish(traits: Mapping[str, Any], at: datetime) -> Preferences | None:
    paused, own = traits["paused_hours"], traits["own_cap"]
    return Preferences(
        paused_until=None if paused is None else at + timedelta(hours=paused),
        cap=None if own is None else OwnCap(max=own[0], window=timedelta(hours=own[1])),
    )


def _hash(world: World, id: str, kind: str) -> str:
    return people.normalised(world.house, id, person(id, addresses=[_addresses(id)[kind]])).places[0][1]


def _gone(world: World, id: str, traits: Mapping[str, Any]) -> list[tuple[str, str]]:
    kind = traits["suppressed"]
    return [(kind, _hash(world, id, kind))] if kind else []


def _screened(world: World, id: str, traits: Mapping[str, Any], at: datetime) -> list[Screening]:
    return [
        Screening(
            kind=kind,
            hash=_hash(world, id, kind),
            register=register,
            is_listed=answer == "listed",
            screened_at=at - timedelta(days=40),
            valid_until=at - timedelta(days=10) if answer == "stale" else at + timedelta(days=9),
        )
        for register, answer in traits["register"].items()
        for kind in ("phone", "postal")
    ]


def _give_a_past(world: World, lived: Sequence[tuple[int, Mapping[str, Any]]], at: datetime) -> None:
    """Messages that took slots before, and paper that has one ahead."""
    job_id = world.accept(job(name="past", audience={"kind": "ids", "ids": ["nobody"]}))
    rows = [
        {
            "job_id": job_id,
            "recipient_id": id,
            "run": 0,
            "step": number,
            "channel": channel,
            "purpose": "marketing",
            "shard": shard_of(id),
            "lane": 1,
            "tries": 0,
            "state": State.DELIVERED,
            "cap_at": at - timedelta(hours=hours),
            "changed_at": at,
        }
        for id, traits in lived
        for number, (channel, hours) in enumerate(traits["past"])
    ]
    with world.db.transaction() as tx:
        if rows:
            tx.execute(insert(sends), rows)


def _give_rivals(world: World, ids: Sequence[str]) -> None:
    if ids:
        audience = {"kind": "ids", "ids": list(ids)}
        world.run(step(channels=["app"], after="PT4H"), audience=audience, priority=8, purpose="service", name="rival")
