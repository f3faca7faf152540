"""The key pair of an installation, and the table [channels.webpush] that holds it."""

import base64

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from channels.webpush import VapidKeys, new_vapid_keys
from channels.webpush.vapid import Signer, application_server_key, private_key
from gateway.contract import Secret

HOUR_S = 3600
NOW_S = 1_772_442_000.5
ORIGIN = "https://fcm.googleapis.com"


def pem(key, form=PrivateFormat.PKCS8) -> str:
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


def claims(header: str, key: ec.EllipticCurvePrivateKey) -> dict:
    token = header.removeprefix("vapid t=").split(",")[0]
    return jwt.decode(token, key.public_key(), algorithms=["ES256"], audience=ORIGIN, options={"verify_exp": False})


def test_a_new_pair_belongs_together():
    keys = new_vapid_keys()

    assert keys.public_key == application_server_key(private_key(keys.private_key))
    assert len(base64.urlsafe_b64decode(keys.public_key + "=")) == 65
    assert new_vapid_keys().public_key != keys.public_key


def test_a_new_pair_does_not_print_its_private_half():
    keys = VapidKeys(private_key=Secret("canary"), public_key="BPub")

    assert "canary" not in repr(keys)


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_a_key_may_come_as_pem(config, form):
    key = ec.generate_private_key(ec.SECP256R1())

    read = private_key(config(vapid_private_key=pem(key, form)).vapid_private_key)

    assert application_server_key(read) == application_server_key(key)


def test_a_raw_key_with_leading_zeros_stays_32_bytes_long():
    raw = base64.urlsafe_b64encode((1).to_bytes(32, "big")).decode()

    assert private_key(Secret(raw)).private_numbers().private_value == 1
    assert private_key(Secret(raw.rstrip("="))).private_numbers().private_value == 1


@pytest.mark.parametrize(
    "value",
    [
        "",
        "canary",
        "canary+é",
        base64.urlsafe_b64encode(b"canary" * 6).decode(),
        base64.urlsafe_b64encode(bytes(32)).decode(),
        base64.urlsafe_b64encode(b"\xff" * 32).decode(),
        "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----",
        pem(ec.generate_private_key(ec.SECP384R1())),
        pem(rsa.generate_private_key(65537, 2048)),
    ],
)
def test_a_key_that_is_none_is_refused_by_its_name_and_not_shown(config, value):
    with pytest.raises(msgspec.ValidationError, match="vapid_private_key") as refused:
        config(vapid_private_key=value)

    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"subject": "push@example.com"}, "subject"),
        ({"subject": "mailto:<push@example.com>"}, "subject"),
        ({"subject": "mailto: push@example.com"}, "subject"),
        ({"subject": "http://example.com"}, "subject"),
        ({"allowed_hosts": ["https://push.example.com"]}, "allowed_hosts"),
        ({"allowed_hosts": ["*"]}, "allowed_hosts"),
        ({"allowed_hosts": ["*.com.*"]}, "allowed_hosts"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"ttl": 0}, "ttl"),
    ],
)
def test_a_fault_is_refused_by_its_name(config, changes, named):
    with pytest.raises(msgspec.ValidationError, match=named):
        config(**changes)


@pytest.mark.parametrize("subject", ["mailto:push@example.com", "https://example.com", "https://example.com/contact"])
def test_a_service_is_told_where_to_complain(config, subject):
    key = private_key(config(subject=subject).vapid_private_key)

    assert claims(Signer(key, subject).header(ORIGIN, NOW_S), key)["sub"] == subject


def test_a_header_lasts_twelve_hours_and_is_renewed_an_hour_before_its_end():
    key = ec.generate_private_key(ec.SECP256R1())
    signer = Signer(key, "mailto:push@example.com")

    first = signer.header(ORIGIN, NOW_S)

    assert claims(first, key)["exp"] == int(NOW_S) + 12 * HOUR_S
    assert signer.header(ORIGIN, NOW_S + 11 * HOUR_S - 1) == first
    renewed = signer.header(ORIGIN, NOW_S + 11 * HOUR_S)
    assert claims(renewed, key)["exp"] == int(NOW_S) + 23 * HOUR_S


def test_many_made_up_origins_do_not_fill_the_memory():
    signer = Signer(ec.generate_private_key(ec.SECP256R1()), "mailto:push@example.com")

    for n in range(600):
        signer.header(f"https://n{n}.notify.windows.com", NOW_S)

    assert len(signer._headers) <= 256


def test_an_allowed_host_may_be_added(config):
    assert config(allowed_hosts=["push.example.org", "*.push.example.net"]).allowed_hosts[1] == "*.push.example.net"


def test_a_printed_configuration_shows_no_key(config):
    keys = new_vapid_keys()

    assert keys.private_key.reveal() not in repr(config(vapid_private_key=keys.private_key.reveal()))
