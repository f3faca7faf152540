"""Tokens: only ours open, and only for what they were made for."""

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.tokens import BadToken, KeyRing, MessageRef, Purpose, fingerprint
from gateway.domain.words import SendKey

PEPPER = b"p" * 32
RING = KeyRing(1, {1: b"a" * 32}, PEPPER)
PURPOSES: tuple[Purpose, ...] = ("message", "send", "click", "unsubscribe", "cursor")
REF = MessageRef(7, 1042, 0, 1, "email", 9, 3)

refs_ = st.builds(
    MessageRef,
    st.integers(1, 2**31),
    st.integers(1, 2**40),
    st.integers(0, 99),
    st.integers(0, 19),
    st.sampled_from(["sms", "email", "a-sixteen-letter"]),
    st.integers(0, 2**31),
)


def opens(ring: KeyRing, purpose: Purpose, token: str) -> bool:
    try:
        ring.open(purpose, token)
    except BadToken:
        return False
    return True


@given(refs_)
def test_a_reference_comes_back_as_it_was(ref: MessageRef) -> None:
    token = RING.sign_ref("message", ref)
    assert RING.open_ref("message", token) == ref
    assert ref.key == SendKey(ref.job_id, ref.recipient_id, ref.run, ref.step, ref.channel)


@given(refs_)
def test_a_token_is_short_and_safe_in_an_address_and_a_url(ref: MessageRef) -> None:
    """At most 80 of A-Z a-z 0-9 - _, as the contract promises of `Outbound.id`."""
    token = RING.sign_ref("message", ref)
    assert len(token) <= 80
    assert token.replace("-", "").replace("_", "").isalnum()
    assert token.isascii()


@pytest.mark.parametrize("made_for", PURPOSES)
def test_a_token_opens_for_its_own_purpose_alone(made_for: Purpose) -> None:
    token = RING.sign_ref(made_for, REF)
    assert [purpose for purpose in PURPOSES if opens(RING, purpose, token)] == [made_for]


def test_every_flipped_bit_is_noticed() -> None:
    token = RING.sign_ref("click", REF)
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    for place in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[place // 8] ^= 1 << place % 8
        assert not opens(RING, "click", base64.urlsafe_b64encode(changed).rstrip(b"=").decode())


def test_no_other_text_opens_like_the_token() -> None:
    """Base64 has several spellings for the same bytes: a token has one."""
    for ref in (REF, MessageRef(7, 1042, 0, 1, "sms"), MessageRef(7, 70_000, 0, 1, "push")):
        token = RING.sign_ref("click", ref)
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/="
        others = [token[:place] + letter + token[place + 1 :] for place in range(len(token)) for letter in alphabet]
        assert [other for other in others if other != token and opens(RING, "click", other)] == []


def test_a_token_cut_short_or_added_to_does_not_open() -> None:
    token = RING.sign_ref("click", REF)
    assert not any(opens(RING, "click", token[:length]) for length in range(len(token)))
    assert not any(opens(RING, "click", token + more) for more in ("A", "AAAA", "=", "==", "\n", " "))


@pytest.mark.parametrize(
    "nonsense",
    ["", "=", "A", "AA", "Zażółć", "ключ" * 8, "\x00" * 20, "A" * 5, "🔑" * 20, "A B" * 9, "%41" * 20, "A" * 100_000],
)
def test_nonsense_is_refused_and_nothing_else_happens(nonsense: str) -> None:
    with pytest.raises(BadToken):
        RING.open_ref("unsubscribe", nonsense)


@given(st.text())
def test_any_text_is_refused_without_another_error(text: str) -> None:
    assert not opens(RING, "message", text)


def test_a_new_key_signs_and_the_old_one_still_opens() -> None:
    rotated = KeyRing(2, {1: b"a" * 32, 2: b"b" * 32}, PEPPER)
    old, new = RING.sign_ref("unsubscribe", REF), rotated.sign_ref("unsubscribe", REF)
    assert old != new
    assert rotated.open_ref("unsubscribe", old) == rotated.open_ref("unsubscribe", new) == REF
    assert not opens(RING, "unsubscribe", new)


def test_a_key_taken_off_the_ring_opens_nothing() -> None:
    token = RING.sign_ref("click", REF)
    assert not opens(KeyRing(2, {2: b"b" * 32}, PEPPER), "click", token)
    assert not opens(KeyRing(1, {1: b"b" * 32}, PEPPER), "click", token)


def test_a_payload_that_is_no_reference_is_refused() -> None:
    for payload in (b"", b"\xc1", b"\x93\x01\x02\x03", b"text"):
        with pytest.raises(BadToken):
            RING.open_ref("cursor", RING.sign("cursor", payload))


def test_an_address_is_hashed_by_kind_and_under_the_pepper() -> None:
    digest = RING.hash_address("email", "ada@example.com")
    assert len(digest) == 32
    assert digest == KeyRing(9, {9: b"z" * 32}, PEPPER).hash_address("email", "ada@example.com")
    others = {
        RING.hash_address("email", "ada@example.org"),
        RING.hash_address("phone", "ada@example.com"),
        KeyRing(1, {1: b"a" * 32}, b"q" * 32).hash_address("email", "ada@example.com"),
    }
    assert len(others | {digest}) == 4


def test_a_fingerprint_is_the_plain_hash() -> None:
    assert fingerprint(b"").hex().startswith("e3b0c442")


@given(st.binary(max_size=200))
def test_a_sealed_secret_comes_back_for_its_owner_alone(secret: bytes) -> None:
    sealed = RING.seal(secret, "ep_1")
    assert RING.unseal(sealed, "ep_1") == secret
    assert RING.seal(secret, "ep_1") != sealed
    with pytest.raises(BadToken):
        RING.unseal(sealed, "ep_2")


def test_no_altered_byte_of_a_sealed_secret_goes_unnoticed() -> None:
    sealed = RING.seal(b"a secret of the shop", "ep_1")
    assert b"secret" not in sealed
    for place in range(len(sealed)):
        altered = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with pytest.raises(BadToken):
            RING.unseal(altered, "ep_1")
    for length in range(len(sealed)):
        with pytest.raises(BadToken):
            RING.unseal(sealed[:length], "ep_1")


def test_what_an_older_key_sealed_opens_for_as_long_as_it_is_in_the_ring() -> None:
    sealed = RING.seal(b"a secret", "ep_1")
    rotated = KeyRing(2, {1: b"a" * 32, 2: b"b" * 32}, PEPPER)
    assert rotated.unseal(sealed, "ep_1") == b"a secret"
    assert rotated.seal(b"a secret", "ep_1")[0] == 2
    with pytest.raises(BadToken):
        KeyRing(2, {2: b"b" * 32}, PEPPER).unseal(sealed, "ep_1")


def test_a_short_signature_is_short_and_fit_for_a_qr_code() -> None:
    for current in (1, 9, 255):
        signature = KeyRing(current, {current: b"k" * 32}, b"p" * 32).sign_short("coupon", b"ABC")
        assert re.fullmatch(rf"{current}[A-Z2-7]{{16}}", signature)


def test_a_short_signature_is_of_one_payload_purpose_and_key() -> None:
    ring, other = KeyRing(1, {1: b"k" * 32}, b"p" * 32), KeyRing(1, {1: b"o" * 32}, b"p" * 32)
    signature = ring.sign_short("coupon", b"ABC")
    ring.expect_short("coupon", b"ABC", signature)
    for keys, purpose, payload in ((ring, "coupon", b"ABD"), (ring, "click", b"ABC"), (other, "coupon", b"ABC")):
        with pytest.raises(BadToken):
            keys.expect_short(purpose, payload, signature)


def test_a_short_signature_holds_for_as_long_as_its_key_is_in_the_ring() -> None:
    signature = KeyRing(1, {1: b"k" * 32}, b"p" * 32).sign_short("coupon", b"ABC")
    rotated = KeyRing(12, {1: b"k" * 32, 12: b"n" * 32}, b"p" * 32)
    rotated.expect_short("coupon", b"ABC", signature)
    rotated.expect_short("coupon", b"ABC", rotated.sign_short("coupon", b"ABC"))
    with pytest.raises(BadToken):
        KeyRing(12, {12: b"n" * 32}, b"p" * 32).expect_short("coupon", b"ABC", signature)


@given(st.text(max_size=24))
def test_any_text_is_no_short_signature(text: str) -> None:
    with pytest.raises(BadToken):
        KeyRing(1, {1: b"k" * 32}, b"p" * 32).expect_short("coupon", b"ABC", text)


def test_every_change_of_a_short_signature_is_refused() -> None:
    ring = KeyRing(1, {1: b"k" * 32}, b"p" * 32)
    signature = ring.sign_short("coupon", b"ABC")
    for place in range(len(signature)):
        for symbol in "ABCDEFGHIJKLMNOPQRSTUVWXYZ01234567":
            if symbol != signature[place]:
                with pytest.raises(BadToken):
                    ring.expect_short("coupon", b"ABC", signature[:place] + symbol + signature[place + 1 :])
