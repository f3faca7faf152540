"""The table [channels.sms]: what it refuses, and that it keeps its secrets."""

from decimal import Decimal

import msgspec
import pytest

SERVICE = "MG" + "1" * 32


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"messaging_service_sid": None}, "messaging_service_sid, sender"),
        ({"sender": "+12025550100"}, "messaging_service_sid, sender"),
        ({"auth_tokens": []}, "auth_tokens"),
        ({"auth_tokens": [""]}, "auth_tokens"),
        ({"account_sid": "SK" + "0" * 32}, "account_sid"),
        ({"messaging_service_sid": "AC" + "1" * 32}, "messaging_service_sid"),
        ({"messaging_service_sid": None, "sender": "A name far too long"}, "sender"),
        ({"base_url": "http://api.example.com"}, "base_url"),
        ({"base_url": "https://user@api.example.com"}, "base_url"),
        ({"base_url": "api.example.com"}, "base_url"),
        ({"timeout_s": 60}, "timeout_s"),
        ({"concurrency": 0}, "concurrency"),
        ({"codes": {"21408": "whatever"}}, "codes"),
        ({"senders": [{"countries": ["US"], "sender": "Caffe Rio"}]}, "senders: US takes no names"),
        ({"senders": [{"countries": ["CA", "GB"], "sender": "Caffe Rio"}]}, "senders: CA takes no names"),
        ({"senders": [{"countries": ["GB"]}]}, "messaging_service_sid, sender"),
        ({"senders": [{"countries": [], "sender": "54321"}]}, "countries"),
        ({"senders": [{"countries": ["gb"], "sender": "54321"}]}, "senders"),
        ({"senders": [{"countries": ["GB"], "sender": "54321"}] * 2}, "names a country twice"),
        ({"brands": {"outlet": {}}}, "messaging_service_sid, sender"),
        ({"brands": {"Outlet": {"sender": "54321"}}}, "brands"),
        (
            {"brands": {"outlet": {"sender": "54321", "senders": [{"countries": ["US"], "sender": "Rio"}]}}},
            "brands.outlet.senders: US takes no names",
        ),
        (
            {"numbers_only": ["BR"], "senders": [{"countries": ["BR"], "sender": "Rio"}]},
            "senders: BR takes no names",
        ),
        ({"per_second": 0}, "per_second"),
        ({"prices": {"*": "0.05"}}, "currency"),
        ({"prices": {"*": "-1"}, "currency": "EUR"}, "prices"),
        ({"prices": {"*": "NaN"}, "currency": "EUR"}, "prices"),
        ({"prices": {"Italy": "0.05"}, "currency": "EUR"}, "prices"),
        ({"prices": {"*": "cheap"}, "currency": "EUR"}, "prices"),
        ({"currency": "euro"}, "currency"),
        ({"most_segments": 0}, "most_segments"),
        ({"max_retries": 3}, "max_retries"),
    ],
)
def test_a_fault_is_refused_by_its_name(config, changes, named):
    with pytest.raises(msgspec.ValidationError, match=named):
        config(**changes)


@pytest.mark.parametrize(("sender", "is_name"), [("+12025550100", False), ("54321", False), ("Caffe Rio", True)])
def test_a_number_a_short_code_or_a_name_may_send(config, sender, is_name):
    told = config(messaging_service_sid=None, sender=sender)

    assert (told.sender, told.name, told.is_name) == (sender, sender, is_name)


def test_a_price_may_be_written_as_text_or_as_a_number(config):
    told = config(prices={"US": "0.0083", "*": 0.05}, currency="USD")

    assert told.prices == {"US": Decimal("0.0083"), "*": Decimal("0.05")}


@pytest.mark.parametrize(
    "base_url", ["https://api.dublin.ie1.twilio.com", "http://127.0.0.1:8081", "http://localhost:1"]
)
def test_another_twilio_may_be_named(config, base_url):
    assert config(base_url=base_url).base_url == base_url


def test_a_printed_configuration_shows_no_token(config):
    assert "canary" not in f"{config(auth_tokens=['canary-1', 'canary-2'])!r}"


def test_a_configuration_with_secrets_is_not_written_out(config):
    with pytest.raises(TypeError):
        msgspec.json.encode(config())
