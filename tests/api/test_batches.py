"""Print batches over HTTP, on both engines."""

import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.services import claim, sealing
from gateway.services.printing import File
from gateway.storage import recipients
from tests.api.house import House

PLACE = {"street": "Via Roma 1", "city": "Torino", "country": "IT", "postcode": "10121"}
LETTER = {"name": "letter", "channels": ["postal"], "content": {"postal": {"en": {"text": "Come back"}}}}


def gather(house: House, *ids: str) -> None:
    """Letters in the open batch of a job."""
    for id in ids or ("c-1", "c-2"):
        house.add_people(id, consents=(), addresses=[{"kind": "postal", "data": PLACE}])
    house.accept(steps=[LETTER])
    with house.db.snapshot() as tx:
        places = claim.places_due(tx, house.installation, "postal")
    for place in places:
        with house.db.transaction() as tx:
            claim.claim(tx, house.installation, "postal", place, worker="w", lease=timedelta(seconds=60), limit=10)


def write_files(house: House, public_id: str, folder: Path, *, finished: bool = True) -> None:
    """What the worker does with a closed batch."""
    (folder / "letters.pdf").write_bytes(b"%PDF-1.7 letters")
    digest = hashlib.sha256(b"%PDF-1.7 letters").hexdigest()
    file = File(name="letters.pdf", media_type="application/pdf", records=2, sha256=digest, bytes=16)
    (folder / "notes.txt").write_text("not of the batch")
    with house.db.transaction() as tx:
        sealing.begin(tx, public_id, folder)
        keys = sealing.take(tx, house.installation, public_id, None, 100).keys
        places = {key: recipients.addresses_of(tx, key.recipient_id)[0].id for key in keys}
        numbers = tuple((key, sequence, places[key]) for sequence, key in enumerate(keys, start=1))
        part = sealing.Written(
            number=1, first_sequence=1, last_sequence=len(keys), numbers=numbers, seeds=(), files=(file,)
        )
        assert sealing.seal(tx, public_id, part) == set()
        if finished:
            sealing.finish(tx, public_id, folder, (), sealing.totals(tx, public_id))


async def only_batch(client: Any) -> str:
    [batch] = (await client.get("/v1/batches")).json()["batches"]
    return f"/v1/batches/{batch['id']}"


OBJECTION = {"channel": "postal", "purpose": "marketing", "action": "objected", "source": "hotline"}


async def test_a_batch_goes_from_its_gathering_into_the_post(house: House, tmp_path: Path) -> None:
    gather(house)
    async with house.client("batches:write", "batches:read", "recipients:write") as client:
        [batch] = (await client.get("/v1/batches")).json()["batches"]
        path = f"/v1/batches/{batch['id']}"
        assert (batch["state"], batch["pieces"], batch["job"], batch["step"]) == ("open", 2, "job_a", "letter")
        assert (await client.post(f"{path}:hand-over", json={})).status_code == 409
        assert (await client.post(f"{path}:mailed", json={})).status_code == 409

        closed = await client.post(f"{path}:close")
        assert (closed.status_code, closed.json()["state"]) == (202, "closed")
        write_files(house, batch["id"], tmp_path)

        exported = (await client.get(path)).json()
        [file], [part] = exported["files"], exported["parts"]
        assert (exported["state"], exported["printed"], file["name"]) == ("exported", 2, "letters.pdf")
        assert (part["first_sequence"], part["last_sequence"], part["mailed_at"]) == (1, 2, None)

        fetched = await client.get(f"{path}/files/letters.pdf")
        assert hashlib.sha256(fetched.content).hexdigest() == file["sha256"]
        assert fetched.headers["content-type"] == "application/pdf"
        assert fetched.headers["content-disposition"].startswith("attachment")

        said = {**OBJECTION, "recipient": "c-1", "at": "2026-11-20T12:00:00Z"}
        await client.post("/v1/consents", json=said)
        done = (await client.post(f"{path}:hand-over", json={"mailing_at": "2026-11-24T06:00:00Z"})).json()
        assert (done["batch"]["state"], len(done["pull"])) == ("handed_over", 1)
        assert (await client.post(f"{path}:hand-over", json={})).status_code == 409

        [pulled] = (await client.get(f"{path}/pull-list")).json()["pull"]
        assert (pulled["sequence"], pulled["part"], pulled["why"]) == (*done["pull"], 1, "no_consent")
        sheet = await client.get(f"{path}/pull-list?format=csv")
        assert sheet.headers["content-type"] == "text/csv; charset=utf-8"
        assert sheet.content.decode("utf-8-sig").splitlines()[0] == '"sequence","part","piece_of_part","since","why"'

        mailed = await client.post(f"{path}:mailed", json={"parts": [1]})
        assert mailed.json()["state"] == "mailed"
        assert (await client.post(f"{path}:mailed", json={})).json() == mailed.json(), "again it says the same"
        assert (await client.post(f"{path}/parts/1:void")).status_code == 409


async def test_a_lost_part_is_void_and_an_unknown_one_is_not_found(house: House, tmp_path: Path) -> None:
    gather(house)
    async with house.client("batches:write", "batches:read") as client:
        path = await only_batch(client)
        await client.post(f"{path}:close")
        write_files(house, path.rpartition("/")[2], tmp_path)
        assert (await client.post(f"{path}/parts/2:void")).status_code == 404
        gone = (await client.post(f"{path}/parts/1:void")).json()
        assert gone["parts"][0]["voided_at"] is not None
        assert (await client.post(f"{path}:mailed", json={"parts": [7]})).status_code == 409


async def test_a_batch_is_cancelled_before_the_print_shop_has_it(house: House) -> None:
    gather(house)
    async with house.client("batches:write", "batches:read") as client:
        path = await only_batch(client)
        done = (await client.post(f"{path}:cancel")).json()
        assert (done["state"], done["pieces"]) == ("cancelled", 0)
        assert (await client.post(f"{path}:cancel")).status_code == 409


async def test_who_was_left_out_is_told_page_by_page_and_as_a_file(house: House, tmp_path: Path) -> None:
    gather(house, "=c-1", "c-2", "c-3")
    async with house.client("batches:write", "batches:read", "recipients:write") as client:
        path = await only_batch(client)
        for id in ("=c-1", "c-3"):
            await client.post("/v1/consents", json={**OBJECTION, "recipient": id, "at": "2026-11-20T12:00:00Z"})
        await client.post(f"{path}:close")
        write_files(house, path.rpartition("/")[2], tmp_path)
        assert (await client.get(path)).json()["left_out"] == {"no_consent": 2}
        first = (await client.get(f"{path}/left-out?limit=1")).json()
        rest = (await client.get(f"{path}/left-out?limit=1&cursor={first['next']}")).json()
        told = [*first["left_out"], *rest["left_out"]]
        assert {each["recipient"]: each["reason"] for each in told} == {"=c-1": "no_consent", "c-3": "no_consent"}
        sheet = (await client.get(f"{path}/left-out?format=csv")).content.decode("utf-8-sig")
        assert '"\'=c-1"' in sheet, "no formula"
        assert (await client.get(f"{path}/left-out?cursor=nonsense")).status_code == 400


@pytest.mark.parametrize(
    "name", ["notes.txt", "..%2Fletters.pdf", "..%2F..%2Fetc%2Fpasswd", ".", "letters.pdf%00", "%2E%2E%2Fnotes.txt"]
)
async def test_only_the_files_of_the_batch_are_given_out(small_house: House, tmp_path: Path, name: str) -> None:
    gather(small_house)
    async with small_house.client("batches:write", "batches:read") as client:
        path = await only_batch(client)
        await client.post(f"{path}:close")
        write_files(small_house, path.rpartition("/")[2], tmp_path)
        assert (await client.get(f"{path}/files/{name}")).status_code == 404
        (tmp_path / "letters.pdf").unlink()
        assert (await client.get(f"{path}/files/letters.pdf")).status_code == 404


async def test_a_part_is_given_out_when_the_whole_batch_is_written(small_house: House, tmp_path: Path) -> None:
    gather(small_house)
    async with small_house.client("batches:write", "batches:read") as client:
        path = await only_batch(client)
        await client.post(f"{path}:close")
        write_files(small_house, path.rpartition("/")[2], tmp_path, finished=False)
        assert (await client.get(f"{path}/files/letters.pdf")).status_code == 404


async def test_to_look_is_not_to_change(small_house: House) -> None:
    gather(small_house)
    async with small_house.client("batches:read") as client:
        path = await only_batch(client)
        for rest in (":close", ":cancel", ":hand-over", ":mailed", "/parts/1:void"):
            assert (await client.post(f"{path}{rest}", json={})).status_code == 403, rest


async def test_an_unknown_batch_is_not_found(small_house: House) -> None:
    async with small_house.client("batches:write", "batches:read") as client:
        posts = (":close", ":cancel", ":hand-over", ":mailed", ":proof", "/parts/1:void")
        asked = [("POST", rest) for rest in posts] + [
            ("GET", rest) for rest in ("", "/files/a.pdf", "/pull-list", "/left-out")
        ]
        for method, rest in asked:
            answer = await client.request(method, f"/v1/batches/bat_none{rest}", json={})
            assert answer.status_code == 404, rest


async def test_returned_letters_are_scanned_and_sent_in_as_a_file(house: House, tmp_path: Path) -> None:
    gather(house, "c-1", "c-2")
    async with house.client("batches:write", "batches:read", "recipients:read") as client:
        path = await only_batch(client)
        public_id = path.rpartition("/")[2]
        early = {"batch": public_id, "sequence": 1, "reason": "vacant"}
        assert (await client.post("/v1/returns", json=early)).status_code == 409
        await client.post(f"{path}:close")
        write_files(house, public_id, tmp_path)
        await client.post(f"{path}:hand-over", json={})
        moved = {**early, "reason": "moved_new_address", "address": {"kind": "postal", "data": PLACE}}
        told = (await client.post("/v1/returns", json=moved)).json()
        assert (told["recipient"], told["is_new"], told["suppressed"]) == ("c-1", True, True)
        assert (await client.post("/v1/returns", json=moved)).json()["is_new"] is False
        [new] = (await client.get("/v1/returns/new-addresses")).json()["new_addresses"]
        assert (new["recipient"], new["address"]["city"]) == ("c-1", "Torino")
        rows = f"piece;reason\n{public_id} · 000002;refused\n{public_id} · 000001;vacant\nbat_nobody 9;other\n"
        answer = await client.post(
            "/v1/returns:bulk", content=rows.encode(), headers={"Content-Type": "text/csv; charset=utf-8"}
        )
        said = answer.json()
        assert (said["received"], said["recorded"], said["known"], said["suppressed"]) == (3, 1, 1, 0)
        [error] = said["errors"]
        assert (error["line"], error["detail"]) == (4, "there is no batch bat_nobody")
