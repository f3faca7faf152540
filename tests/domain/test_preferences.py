"""What people ask for besides consent."""

import msgspec
import pytest

from gateway.domain.policy import BasisRule, Policies
from gateway.domain.preferences import Preferences, basis_of, masked


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        ("email", "eleni@example.com", "e•••@example.com"),
        ("email", "ж@example.com", "ж•••@example.com"),
        ("phone", "+12025550142", "+12••••42"),
        ("postal", "Via Roma 1, 00100 Roma", None),
        ("webpush", "https://push.example.com/x", None),
        ("external_id", "c-1", None),
    ],
)
def test_of_an_address_only_its_owner_knows_the_rest(kind: str, value: str, shown: str | None) -> None:
    assert masked(kind, value) == shown


@pytest.mark.parametrize(
    "wrong",
    [
        {"paused_until": "2026-05-01T10:00:00"},
        {"cap": {"max": 0, "window": "P7D"}},
        {"cap": {"max": 1001, "window": "P7D"}},
        {"cap": {"max": 1, "window": "PT0S"}},
        {"cap": {"max": 1, "window": "P40000D"}},
        {"cap": {"max": 1}},
        {"frequency": 1},
    ],
)
def test_a_wish_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, Preferences)


def test_a_country_may_ask_for_another_basis_but_not_where_none_is_needed() -> None:
    rule = BasisRule(countries=("DE",), purposes=("marketing", "transactional"), channels=("postal",), basis="opt_in")
    policies = Policies(basis=(rule,))
    assert basis_of(policies, "marketing", "postal", "DE") == "opt_in"
    assert basis_of(policies, "marketing", "postal", "IT") == "opt_out"
    assert basis_of(policies, "marketing", "postal", None) == "opt_out"
    assert basis_of(policies, "transactional", "postal", "DE") == "none"
