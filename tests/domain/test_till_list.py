"""The list that a till takes along: nobody can change it, and codes do not stand in it."""

import shutil
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from gateway.domain.coupon import new_code
from gateway.domain.till_list import (
    BadList,
    Codes,
    ListedCoupon,
    PublicKeys,
    Writer,
    header,
    listed_code,
    look_up,
    public_keys,
)
from gateway.domain.tokens import KeyRing

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
RING = KeyRing(2, {1: b"a" * 32, 2: b"b" * 32}, b"p" * 32)
CODES = [new_code() for _ in range(5)]


def coupon(code: str) -> ListedCoupon:
    return ListedCoupon(
        code=code,
        offer="w15",
        title="15 % off 🧺 für «Żaneta»",
        kind="percentage",
        value=15,
        valid_from=NOW,
        valid_until=NOW + timedelta(days=3),
        balance=1,
    )


def made(codes: Codes = "hashed", ring: KeyRing = RING, of: Sequence[str] = CODES) -> list[bytes]:
    head = header("til_x", NOW, timedelta(hours=24), codes, b"s" * 16)
    writer = Writer(ring)
    lines = [writer.begin(head)]
    lines += [writer.coupon(msgspec.structs.replace(coupon(code), code=listed_code(head, code))) for code in of]
    return [*lines, writer.seal()]


def keys(ring: KeyRing = RING) -> PublicKeys:
    return public_keys(ring)


@pytest.mark.parametrize("codes", ["hashed", "plain"])
def test_a_coupon_is_found_by_its_code(codes: Codes) -> None:
    for code in CODES:
        head, found = look_up(made(codes), keys(), code)
        assert (head.list, head.valid_until) == ("til_x", NOW + timedelta(hours=24))
        assert found is not None
        assert (found.title, found.valid_until) == (coupon(code).title, NOW + timedelta(days=3))
    assert look_up(made(codes), keys(), new_code())[1] is None
    assert look_up(made(of=()), keys(), CODES[0])[1] is None


def test_a_hashed_list_shows_no_code_and_no_two_lists_show_the_same() -> None:
    whole = b"".join(made())
    assert [code for code in CODES if code.encode() in whole] == []
    one, other = (header("til_x", NOW, timedelta(hours=1), "hashed", salt) for salt in (b"s" * 16, b"t" * 16))
    assert listed_code(one, CODES[0]) != listed_code(other, CODES[0])


def test_not_a_byte_of_a_list_can_be_changed() -> None:
    whole = b"".join(made(of=CODES[:2]))
    for place in range(len(whole) - 1):
        changed = bytearray(whole)
        changed[place] ^= 1
        with pytest.raises(BadList):
            look_up(bytes(changed).splitlines(keepends=True), keys(), CODES[0])


def test_a_list_that_was_cut_short_or_put_together_is_none() -> None:
    lines = made()
    other = made(of=[new_code() for _ in range(5)])
    for cut in range(len(lines)):
        with pytest.raises(BadList):
            look_up(lines[:cut], keys(), CODES[0])
    for mixed in ([*lines[:2], *lines[3:]], [lines[0], *lines[2:1:-1], *lines[3:]], [*lines, lines[1]]):
        with pytest.raises(BadList):
            look_up(mixed, keys(), CODES[0])
    with pytest.raises(BadList, match="not what was signed"):
        look_up([lines[0], other[1], *lines[2:]], keys(), CODES[0])


@pytest.mark.parametrize("rounds", [0, -1, 10**9, 2**62])
def test_a_made_up_header_keeps_no_till_busy(rounds: int) -> None:
    first, *others = made()
    forged = first.replace(b'"rounds":1000', f'"rounds":{rounds}'.encode())
    assert forged != first
    with pytest.raises(BadList, match="no header"):
        look_up([forged, *others], keys(), CODES[0])


def test_a_list_of_a_former_key_holds_and_one_of_a_stranger_does_not() -> None:
    former = KeyRing(1, {1: b"a" * 32}, b"p" * 32)
    assert look_up(made(ring=former), keys(), CODES[0])[1] is not None
    with pytest.raises(BadList, match="signed with the key 9"):
        look_up(made(ring=KeyRing(9, {9: b"c" * 32}, b"p" * 32)), keys(), CODES[0])
    with pytest.raises(BadList, match="signature is wrong"):
        look_up(made(ring=KeyRing(2, {2: b"c" * 32}, b"p" * 32)), keys(), CODES[0])


def test_keys_of_the_ring_have_public_keys_of_their_own() -> None:
    found = {each.kid: each.x for each in keys().keys}
    assert sorted(found) == ["1", "2"]
    assert found["1"] != found["2"]
    # The public key tells nothing of the pepper, and rests on nothing else than the key.
    assert keys(KeyRing(1, {1: b"a" * 32}, b"q" * 32)).keys == keys().keys[:1]


NODE = """
const { createHash, createPublicKey, pbkdf2Sync, verify } = require("crypto");
const [, file, keys, code] = process.argv;
const whole = require("fs").readFileSync(file);
const end = whole.lastIndexOf(10, whole.length - 2) + 1;
const seal = JSON.parse(whole.subarray(end));
const lines = whole.subarray(0, end).toString().trim().split("\\n").map(JSON.parse);
const digest = createHash("sha256").update(whole.subarray(0, end)).digest();
const key = createPublicKey({ key: JSON.parse(keys).keys.find((each) => each.kid === seal.kid), format: "jwk" });
const signed = Buffer.concat([Buffer.from("risveglio:till-list:1\\n"), digest]);
const { salt, rounds } = lines[0];
const wanted = pbkdf2Sync(code, Buffer.from(salt, "base64url"), rounds, 16, "sha256").toString("base64url");
const isGood = verify(null, signed, key, Buffer.from(seal.signature, "base64url"));
const found = lines.slice(1).find((each) => each.code === wanted);
const isWhole = digest.toString("hex") === seal.sha256 && seal.count === lines.length - 1;
console.log(JSON.stringify([isGood, isWhole, found?.title]));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="no Node.js here: apt-get install nodejs")
def test_a_till_of_another_make_reads_the_list_by_what_is_written_of_it(tmp_path: Path) -> None:
    file = tmp_path / "list.ndjson"
    file.write_bytes(b"".join(made()))
    command = ["node", "-e", NODE, str(file), msgspec.json.encode(keys()).decode(), CODES[3]]
    told = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    assert msgspec.json.decode(told) == [True, True, coupon(CODES[3]).title]
