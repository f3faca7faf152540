"""Print batches over HTTP, on both engines."""

import hashlib
from datetime import timedelta
from pathlib import Path

from gateway.contract import PrintFile
from gateway.services import claim, printing
from tests.api.house import House

PLACE = {"street": "Via Roma 1", "city": "Torino", "country": "IT", "postcode": "10121"}
LETTER = {"name": "letter", "channels": ["postal"], "content": {"postal": {"en": {"text": "Come back"}}}}


def gather(house: House) -> None:
    """Two letters in the open batch of a job."""
    for id in ("c-1", "c-2"):
        house.add_people(id, consents=(), addresses=[{"kind": "postal", "data": PLACE}])
    house.accept(steps=[LETTER])
    with house.db.snapshot() as tx:
        places = claim.places_due(tx, house.installation, "postal")
    for place in places:
        with house.db.transaction() as tx:
            claim.claim(tx, house.installation, "postal", place, worker="w", lease=timedelta(seconds=60), limit=10)


def write_files(house: House, public_id: str, folder: Path) -> None:
    """What the worker does with a closed batch."""
    path = folder / "letters.pdf"
    path.write_bytes(b"%PDF-1.7 letters")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    file = PrintFile(path=path, media_type="application/pdf", records=2, sha256=digest, bytes=path.stat().st_size)
    (folder / "notes.txt").write_text("not of the batch")
    with house.db.transaction() as tx:
        keys = printing.check(tx, house.installation, public_id)
        printing.exported(tx, public_id, keys, str(folder), [file])


async def test_a_batch_is_gathered_exported_fetched_and_handed_over(house: House, tmp_path: Path) -> None:
    gather(house)
    async with house.client("batches:write", "recipients:write") as client:
        [batch] = (await client.get("/v1/batches")).json()["batches"]
        path = f"/v1/batches/{batch['id']}"
        assert (batch["state"], batch["pieces"], batch["job"]) == ("open", 2, "job_a")

        early = await client.post(f"{path}:hand-over", json={})
        assert early.status_code == 409

        closed = await client.post(f"{path}:export")
        assert (closed.status_code, closed.json()["state"]) == (202, "closed")
        write_files(house, batch["id"], tmp_path)

        exported = (await client.get(path)).json()
        [file] = exported["files"]
        assert (exported["state"], exported["printed"], file["name"]) == ("exported", 2, "letters.pdf")

        fetched = await client.get(f"{path}/files/letters.pdf")
        assert fetched.status_code == 200
        assert hashlib.sha256(fetched.content).hexdigest() == file["sha256"]
        assert fetched.headers["content-type"] == "application/pdf"
        assert fetched.headers["content-disposition"].startswith("attachment")

        objection = {"recipient": "c-1", "channel": "postal", "purpose": "marketing", "action": "objected"}
        await client.post("/v1/consents", json={**objection, "at": "2026-11-20T12:00:00Z", "source": "hotline"})
        done = (await client.post(f"{path}:hand-over", json={"mailing_at": "2026-11-24T06:00:00Z"})).json()
        assert (done["batch"]["state"], len(done["pull"])) == ("handed_over", 1)
        assert (await client.post(f"{path}:hand-over", json={})).status_code == 409


async def test_only_the_files_of_the_batch_are_given_out(house: House, tmp_path: Path) -> None:
    gather(house)
    async with house.client("batches:write") as client:
        [batch] = (await client.get("/v1/batches")).json()["batches"]
        path = f"/v1/batches/{batch['id']}"
        await client.post(f"{path}:export")
        write_files(house, batch["id"], tmp_path)
        for name in (
            "notes.txt",
            "..%2Fletters.pdf",
            "..%2F..%2Fetc%2Fpasswd",
            ".",
            "letters.pdf%00",
            "%2E%2E%2Fnotes.txt",
        ):
            answer = await client.get(f"{path}/files/{name}")
            assert answer.status_code == 404, name
        (tmp_path / "letters.pdf").unlink()
        assert (await client.get(f"{path}/files/letters.pdf")).status_code == 404


async def test_an_unknown_batch_is_not_found(small_house: House) -> None:
    async with small_house.client("batches:write") as client:
        for method, rest in (("GET", ""), ("POST", ":export"), ("POST", ":hand-over"), ("GET", "/files/a.pdf")):
            answer = await client.request(method, f"/v1/batches/bat_none{rest}", json={})
            assert answer.status_code == 404
