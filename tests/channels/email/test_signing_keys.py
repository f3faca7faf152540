"""Keys that sign: which of them are refused, and who signs for whom."""

import base64
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_der_public_key,
)

from channels.email import EmailConfig
from channels.email.signing_keys import DkimKey, UnfitKey, dns_record, keys_for, new_key, read_key, zone_line
from gateway.contract import Secret

RSA, ED = new_key("rsa-sha256"), new_key("ed25519-sha256")

Config = Callable[..., EmailConfig]


def pem_of(key: Any, encryption: KeySerializationEncryption | None = None) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()).decode()


def entry(selector: str = "r1", domain: str = "shop.example", key: str = RSA, **changes: Any) -> dict[str, Any]:
    return {"domain": domain, "selector": selector, "key": key} | changes


def unfit() -> Iterator[tuple[str, str]]:
    yield "", "not a private key in PEM"
    yield "correct-horse-7319", "not a private key in PEM"
    yield RSA.replace("PRIVATE", "PUBLIC"), "not a private key in PEM"
    yield pem_of(rsa.generate_private_key(65_537, 1024)), "it has 1024 bits"
    yield pem_of(ec.generate_private_key(ec.SECP256R1())), "RSA and Ed25519 keys only"
    yield pem_of(Ed25519PrivateKey.generate(), BestAvailableEncryption(b"correct-horse-7319")), "it is encrypted"


@pytest.mark.parametrize(("pem", "why"), list(unfit()), ids=lambda value: value[:14])
def test_an_unfit_key_is_refused_without_showing_it(pem: str, why: str) -> None:
    with pytest.raises(UnfitKey, match=why) as refused:
        read_key(pem)
    assert not pem or pem[-60:] not in str(refused.value)


def test_a_key_on_one_line_as_variables_hold_them_is_read() -> None:
    assert pem_of(read_key(RSA.replace("\n", "\\n"))) == RSA


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ([entry(key="x")], r"dkim: r1\._domainkey\.shop\.example: key: not a private key"),
        ([entry(domain="other.example")], "no sender writes from other.example or below it"),
        ([entry(domain="news.shop.example")], "no sender writes from news.shop.example"),
        ([entry(domain="hop.example")], "no sender writes from hop.example"),
        ([entry(), entry(key=ED)], "is there twice"),
        ([entry(), entry("r2")], "another rsa-sha256 key begins at the same time"),
        ([entry(key=ED)], "shop.example: has an Ed25519 key only"),
        ([entry(from_at="2026-05-01T10:00:00")], "from_at needs a time zone"),
        ([entry("Ä")], "selector"),
        ([entry("a..b")], "selector"),
        ([entry("a\n")], "selector"),
        ([entry(domain="Shop.example")], "domain"),
    ],
)
def test_keys_that_cannot_do_what_they_are_there_for_are_faults(
    config: Config, keys: list[dict[str, Any]], told: str
) -> None:
    with pytest.raises(msgspec.ValidationError, match=told) as refused:
        config(dkim=keys)
    assert RSA[40:80] not in str(refused.value)


def test_a_key_of_the_domain_above_signs_unless_there_is_a_nearer_one(config: Config) -> None:
    brands = {
        "news": {"from_address": "hello@news.shop.example"},
        "bistro": {"from_address": "ciao@bistro.shop.example"},
    }
    keys = config(
        brands=brands, dkim=[entry("above"), entry("near", "news.shop.example"), entry("ed", "shop.example", ED)]
    ).dkim
    chosen = {
        sender: [key.selector for key in keys_for(keys, sender)]
        for sender in ("shop.example", "news.shop.example", "bistro.shop.example", "workshop.example", "example")
    }
    assert chosen == {
        "shop.example": ["above", "ed"],
        "news.shop.example": ["near"],
        "bistro.shop.example": ["above", "ed"],
        "workshop.example": [],
        "example": [],
    }


def test_a_key_may_begin_at_an_instant_beside_the_one_that_it_follows(config: Config) -> None:
    keys = config(dkim=[entry(), entry("r2", from_at="2026-05-01T10:00:00Z")]).dkim
    assert [key.from_at for key in keys] == [None, datetime(2026, 5, 1, 10, tzinfo=UTC)]


def test_a_key_does_not_show() -> None:
    key = DkimKey(domain="shop.example", selector="r1", key=Secret(RSA))
    assert RSA[40:80] not in repr(key)


def test_the_record_for_the_dns_holds_the_public_key() -> None:
    name, value = dns_record("shop.example", "r1", read_key(RSA))
    assert name == "r1._domainkey.shop.example"
    head, _, public = value.partition("p=")
    assert head == "v=DKIM1; k=rsa; "
    published = load_der_public_key(base64.b64decode(public))
    assert isinstance(published, RSAPublicKey)
    assert published.public_numbers() == read_key(RSA).public_key().public_numbers()


def test_the_record_of_an_ed25519_key_holds_its_32_bytes() -> None:
    _, value = dns_record("shop.example", "e1", read_key(ED))
    head, _, public = value.partition("p=")
    assert head == "v=DKIM1; k=ed25519; "
    assert base64.b64decode(public) == read_key(ED).public_key().public_bytes_raw()


def test_a_long_record_is_several_strings_in_a_zone_file() -> None:
    name, value = dns_record("shop.example", "r1", read_key(RSA))
    line = zone_line(name, value)
    head, *texts = line.split('"')
    assert head == "r1._domainkey.shop.example. IN TXT "
    assert "".join(texts[::2]) == value
    assert max(map(len, texts)) <= 255
