"""What is refused at the door, so that nothing behind it stumbles."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from gateway.domain.audience import (
    MAX_DEPTH,
    Activity,
    All,
    AnyOf,
    Audience,
    Everyone,
    Expression,
    Inline,
    Not,
    depth,
)
from gateway.domain.job import JobInput, StepInput
from gateway.domain.policy import CapRule, Policies, Post
from gateway.domain.recipient import ActivityInput, Profile, RecipientInput
from gateway.domain.words import (
    LONGEST_SPAN,
    SHARDS,
    CountryCode,
    Currency,
    ExternalId,
    Key,
    Locale,
    refuse_nul,
    shard_of,
)


def decode(raw: Any, type: Any) -> Any:
    """As a request's body is decoded."""
    return msgspec.json.decode(msgspec.json.encode(raw), type=type)


def nested(levels: int, around: Expression) -> Expression:
    for level in range(levels):
        around = Not(of=around) if level % 3 == 0 else All(of=(around,)) if level % 3 == 1 else AnyOf(of=(around,))
    return around


@pytest.mark.parametrize("levels", [0, 1, 2, 3, MAX_DEPTH - 1, MAX_DEPTH])
def test_the_depth_of_an_expression_is_that_of_its_deepest_branch(levels: int) -> None:
    deep = nested(levels, Activity(kind="purchase"))
    assert depth(deep) == levels + 1
    assert depth(All(of=(Everyone(), deep, Everyone()))) == levels + 2


def test_an_expression_says_of_itself_what_it_is() -> None:
    raw = {"op": "all", "of": [{"op": "not", "of": {"op": "country", "any_of": ["IT"]}}, {"op": "everyone"}]}
    assert msgspec.json.decode(msgspec.json.encode(decode(raw, Expression))) == raw


def test_a_body_nested_a_thousand_times_is_refused_and_not_followed() -> None:
    raw = b'{"op":"not","of":' * 100_000
    with pytest.raises((msgspec.DecodeError, RecursionError)):
        msgspec.json.decode(raw, type=Expression)


@pytest.mark.parametrize(
    "where",
    [
        {"op": "all", "of": []},
        {"op": "all", "of": [{"op": "everyone"}] * 21},
        {"op": "country", "any_of": []},
        {"op": "country", "any_of": ["italy"]},
        {"op": "attribute", "name": "Tier", "any_of": ["gold"]},
        {"op": "attribute", "name": 'a"b', "any_of": ["gold"]},
        {"op": "attribute", "name": "tier", "any_of": [None]},
        {"op": "attribute", "name": "tier", "any_of": ["go\x00ld"]},
        {"op": "activity", "kind": "purchase", "at_least": -1},
        {"op": "activity", "kind": "purchase", "at_least": 2**63},
        {"op": "activity", "kind": "purchase", "within": "P4000000D"},
        {"op": "activity", "kind": "purchase", "amount_at_least_minor": 2**64},
        {"op": "sql", "where": "1=1"},
        {"op": "everyone", "of": []},
    ],
)
def test_an_expression_that_no_database_could_answer_is_refused(where: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode(where, Expression)


@pytest.mark.parametrize(
    ("type", "good", "bad"),
    [
        (ExternalId, ["c-1042", "ab/12#?%", "~!"], ["", "c 1", "c\n", "c-1\n", "ż", "x" * 129, "\x7f"]),
        (CountryCode, ["IT"], ["it", "ITA", "IT\n", ""]),
        (Currency, ["EUR"], ["eur", "EUR\n", "€"]),
        (Locale, ["it", "it-IT", "zh-Hant-TW", "sr-Latn"], ["IT", "it_IT", "it-", "it-IT\n", "i"]),
        (Key, ["winback-15", "9", "a.b_c-d"], ["", "-a", "A", "a\n", "a" * 65, 'a"']),
    ],
)
def test_small_words_are_checked_to_their_very_end(type: Any, good: list[str], bad: list[str]) -> None:
    for word in good:
        assert decode(word, type) == word
    for word in bad:
        with pytest.raises(msgspec.ValidationError):
            decode(word, type)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "Ada\x00"},
        {"attributes": {"tier": {"deep": ["gold", "\x00"]}}},
        {"attributes": {"tier": {"\x00": 1}}},
        {"attributes": {"Tier": 1}},
        {"time_zone": "Europe/Atlantis"},
        {"time_zone": "/etc/passwd"},
        {"country": "Italia"},
        {"locale": "italiano"},
        {"addresses": [{"kind": "email", "value": "a\x00@example.com"}]},
        {"addresses": [{"kind": "E-Mail"}]},
        {"addresses": [{"kind": "email", "value": "a@example.com"}] * 21},
        {"name": "x" * 201},
        {"age": 1},
    ],
)
def test_a_profile_that_cannot_be_kept_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode({"id": "c-1", **wrong}, RecipientInput)


def test_a_profile_of_any_people_is_kept() -> None:
    for name in ("Żółć Ćwikła", "Иван Петров", "Γιώργος", "محمد", "🙂 Zoë", r"a back\u0000slash"):
        assert decode({"name": name, "attributes": {"note": name}}, Profile).name == name


def test_a_backslash_before_a_code_is_no_nul() -> None:
    refuse_nul(text=r"\u0000", more=[r"\\u0000"])
    for text in ("\x00", "\\\x00", "\\\\\x00", r"\u0000" + "\x00"):
        with pytest.raises(ValueError, match="text: holds"):
            refuse_nul(text=text)


@pytest.mark.parametrize(
    "wrong",
    [
        {"at": "2026-05-01T10:00:00"},
        {"amount_minor": 10**13},
        {"amount_minor": -(10**13)},
        {"id": ""},
        {"id": "a\x00"},
        {"data": {"x": "\x00"}},
    ],
)
def test_an_activity_that_cannot_be_kept_is_refused(wrong: dict[str, Any]) -> None:
    sound = {"recipient": "c-1", "kind": "purchase", "at": "2026-05-01T10:00:00Z", "id": "a-1", "amount_minor": -500}
    decode(sound, ActivityInput)
    with pytest.raises(msgspec.ValidationError):
        decode(sound | wrong, ActivityInput)


STEP = {"name": "one", "channels": ["email"], "content": {"email": {"en": {"text": "x"}}}}


@pytest.mark.parametrize(
    "wrong",
    [
        {"after": "P40000D"},
        {"ttl": "P40000D"},
        {"channels": []},
        {"channels": ["E-Mail"]},
        {"content": {}},
        {"anchor": "birthday"},
        {"only_if": "whenever"},
        {"local_time": "25:00:00"},
    ],
)
def test_a_step_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    decode(STEP, StepInput)
    with pytest.raises(msgspec.ValidationError):
        decode(STEP | wrong, StepInput)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "x\x00"},
        {"steps": []},
        {"steps": [STEP] * 21},
        {"priority": 10},
        {"audience": {"kind": "inline", "recipients": []}},
        {"audience": {"kind": "ids", "ids": []}},
        {"audience": {"kind": "inline", "recipients": [{"id": "c-1", "variables": {"x": "\x00"}}]}},
        {"audience": {"kind": "sql"}},
        {"over_cap": "ignore"},
        {"sender": "me"},
    ],
)
def test_a_job_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    sound = {"name": "wake", "purpose": "marketing", "steps": [STEP]}
    sound |= {"audience": {"kind": "matching", "where": {"op": "everyone"}}}
    decode(sound, JobInput)
    with pytest.raises(msgspec.ValidationError):
        decode(sound | wrong, JobInput)


def test_an_audience_is_one_of_three_kinds() -> None:
    named = decode({"kind": "inline", "recipients": [{"id": "c-1", "variables": {"x": 1}}]}, Audience)
    assert isinstance(named, Inline)
    assert named.recipients[0].variables == {"x": 1}


@pytest.mark.parametrize(
    ("type", "wrong"),
    [
        (CapRule, {"name": "x", "max": 1, "window": "PT0S"}),
        (CapRule, {"name": "x", "max": 0, "window": "P1D"}),
        (CapRule, {"name": "x", "max": 1, "window": "P40000D"}),
        (Post, {"lead": "-P1D"}),
        (
            Post,
            {"seeds": [{"name": "Zoë", "street": "Via Roma 1", "postcode": "1012", "city": "Roma", "country": "IT"}]},
        ),
        (Post, {"transit": "P40000D"}),
        (Policies, {"default_time_zone": "Rome"}),
        (Policies, {"small_job": -1}),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(type: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode(wrong, type)


def test_the_longest_span_is_accepted() -> None:
    assert decode({**STEP, "after": "P36525D"}, StepInput).after == LONGEST_SPAN == timedelta(days=36_525)


def test_people_are_spread_over_all_shards() -> None:
    assert {shard_of(id) for id in range(1, 200)} == set(range(SHARDS))
