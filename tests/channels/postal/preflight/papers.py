"""The papers of a batch against each other, the pages, and the people who were meant."""

import csv
import hashlib
import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from gateway.contract import Piece
from tests.channels.postal.preflight.order import Batch, Order, PrintFault, bare, squashed

Row = Mapping[str, str]


def read_rows(path: Path, delimiter: str) -> list[dict[str, str]]:
    """The rows of a manifest. Raises PrintFault for one that spreadsheets would not read as UTF-8."""
    raw = path.read_bytes()
    if not raw.startswith(b"\xef\xbb\xbf"):
        raise PrintFault("manifest", path.name, "has no byte order mark")
    rows = list(csv.DictReader(StringIO(raw.decode("utf-8-sig"), newline=""), delimiter=delimiter))
    for number, row in enumerate(rows, 2):
        if None in row or None in row.values():
            raise PrintFault("manifest", f"{path.name}, line {number}", "has another number of cells than the head")
        if risky := [name for name, cell in row.items() if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]:
            raise PrintFault("manifest", f"{path.name}, line {number}", f"{risky[0]} is a formula to a spreadsheet")
    return rows


def address_of(row: Row) -> list[str]:
    return [cell for number in range(1, 10) if (cell := row.get(f"address_line{number}", "").removeprefix("'"))]


def check_audience(rows: Sequence[Row], audience: Sequence[Piece], where: str) -> None:
    """Nobody is in the manifest who was not meant; who, is not said."""
    meant = {_person(piece) for piece in audience}
    for number, row in enumerate(rows, 2):
        lines = squashed("".join(address_of(row))).casefold()
        if not any(lines.startswith(name) and place in lines for name, place in meant):
            raise PrintFault("audience", f"{where}, line {number}", "somebody who was not meant to get anything")


def _person(piece: Piece) -> tuple[str, str]:
    """The addressee, and the postcode that the lines must hold."""
    lines = piece.message.address.data
    return tuple(
        squashed(str(text)).casefold()
        for text in (piece.message.name or lines.get("name", ""), lines.get("postcode") or "")
    )  # type: ignore[return-value]


def check_manifest(rows: Sequence[Row], pieces: Sequence[Piece], where: str) -> None:
    """One row a piece, in the order of the pieces: number, end of the code, and addressee are its own."""
    if len(rows) != len(pieces):
        raise PrintFault("manifest", where, f"{len(rows)} rows for {len(pieces)} pieces")
    for number, (row, piece) in enumerate(zip(rows, pieces, strict=True), 2):
        line = f"{where}, line {number}"
        if row["seq"] != str(piece.sequence):
            raise PrintFault("manifest", line, f"number {row['seq']} where {piece.sequence} belongs")
        coupon = piece.message.coupon
        if row["code_last4"].removeprefix("'") != (bare(coupon.code)[-4:] if coupon else ""):
            raise PrintFault("manifest", line, "ends with another code than the piece")
        name, place = _person(piece)
        lines = squashed("".join(address_of(row))).casefold()
        if not (lines.startswith(name) and place in lines):
            raise PrintFault("manifest", line, "another addressee than the piece's")
        if row["seed"] != str(int(piece.is_seed)):
            raise PrintFault("manifest", line, "a seed is not marked, or a person is marked as one")


def check_distinct(pieces: Sequence[Piece]) -> None:
    """No two pieces bear one code: the second of two people would be turned away at the till."""
    seen: dict[str, int] = {}
    for piece in pieces:
        if coupon := piece.message.coupon:
            first = seen.setdefault(bare(coupon.code), piece.sequence)
            if first != piece.sequence:
                raise PrintFault("code", f"piece {piece.sequence}", f"the code of piece {first}")


def check_parts(batch: Batch, rows: Sequence[Row], order: Order) -> list[list[Row]]:
    """The rows of each part, as the part's own manifest has them: together they are the batch's, in order."""
    split = []
    for number, pdf in enumerate(batch.parts, 1):
        own = pdf.with_suffix(".csv")
        if not own.is_file():
            raise PrintFault("files", own.name, "is missing")
        split.append(read_rows(own, order.delimiter))
        for page, row in enumerate(split[-1]):
            if (row["part"], row["page_in_part"]) != (str(number), str(1 + page * order.sides)):
                seen = f"says part {row['part']}, page {row['page_in_part']}"
                raise PrintFault("manifest", f"{own.name}, line {page + 2}", seen)
    if [row for part in split for row in part] != list(rows):
        raise PrintFault(
            "manifest", batch.paper("manifest.csv").name, "is not its parts' manifests one after the other"
        )
    return split


def check_spreadsheet(path: Path, rows: Sequence[Row]) -> None:
    """The spreadsheet says what the CSV says, all of it as text: a postcode keeps its zero."""
    import openpyxl

    book = openpyxl.load_workbook(path, read_only=True)
    head, *cells = book.worksheets[0].iter_rows(values_only=True)
    book.close()
    if len(cells) != len(rows):
        raise PrintFault("spreadsheet", path.name, f"{len(cells)} rows, {len(rows)} in the CSV")
    for number, (line, row) in enumerate(zip(cells, rows, strict=True), 2):
        shown = {name: "" if cell is None else cell for name, cell in zip(head, line, strict=False)}
        if any(not isinstance(cell, str) for cell in shown.values()):
            raise PrintFault("spreadsheet", f"{path.name}, row {number}", "a cell that is no text")
        if {name: cell.removeprefix("'") for name, cell in shown.items()} != {
            name: cell.removeprefix("'") for name, cell in row.items()
        }:
            raise PrintFault("spreadsheet", f"{path.name}, row {number}", "is not the CSV's row")


def check_job_ticket(batch: Batch, rows: Sequence[Row], parts: Sequence[Sequence[Row]], order: Order) -> None:
    """The job ticket counts what the parts hold and names the checksums that the files have."""
    path = batch.paper("jobticket.json")
    told: dict[str, Any] = json.loads(path.read_bytes())
    totals, coupons = told["totals"], sum(bool(row["code_last4"]) for row in rows)
    seeds = sum(row["seed"] == "1" for row in rows)
    wanted = {"records": len(rows), "pages": len(rows) * order.sides, "coupons": coupons, "seeds": seeds}
    for name, count in wanted.items():
        if totals[name] != count:
            raise PrintFault("ticket", path.name, f"totals.{name} is {totals[name]}, the parts say {count}")
    for counted in ("by_country", "by_lang"):
        if sum(totals[counted].values()) != len(rows):
            raise PrintFault("ticket", path.name, f"totals.{counted} does not add up to {len(rows)}")
    if totals["gathered"] != totals["records"] - totals["seeds"] + sum(totals["left_out"].values()):
        raise PrintFault("ticket", path.name, "what was gathered is not what was printed and what was left out")
    if len(told["parts"]) != len(parts):
        raise PrintFault("ticket", path.name, f"{len(told['parts'])} parts, there are {len(parts)}")
    for entry, own in zip(told["parts"], parts, strict=True):
        seen = (entry["records"], entry["first_sequence"], entry["last_sequence"])
        if seen != (len(own), int(own[0]["seq"]), int(own[-1]["seq"])):
            raise PrintFault("ticket", path.name, f"{entry['file']} is told to hold {seen}")
    for entry in _files_of(told):
        content = (batch.folder / entry["file"]).read_bytes()
        if (entry["sha256"], entry["bytes"]) != (hashlib.sha256(content).hexdigest(), len(content)):
            raise PrintFault("ticket", path.name, f"another checksum or size than {entry['file']} has")


def _files_of(told: Any) -> list[dict[str, Any]]:
    """Whatever in the ticket names a file with its checksum, however deep."""
    if isinstance(told, dict):
        inner = [entry for value in told.values() for entry in _files_of(value)]
        return [told, *inner] if {"file", "sha256", "bytes"} <= told.keys() else inner
    return [entry for value in told for entry in _files_of(value)] if isinstance(told, list) else []


def check_printed_ticket(batch: Batch, rows: Sequence[Row], order: Order) -> None:
    """The ticket for people is one page that names the batch, its pieces, and each part with its checksum."""
    path = batch.paper("jobticket.pdf")
    told = subprocess.run(["pdftotext", "-raw", path, "-"], capture_output=True, text=True, check=True).stdout
    if told.count("\f") != 1 and len(batch.parts) < 10:
        raise PrintFault("ticket", path.name, f"{told.count(chr(12))} pages")
    text = squashed(told)
    if batch.name not in text:
        raise PrintFault("ticket", path.name, "does not name its batch")
    if not re.search(rf"(?<!\d){len(rows)}(?!\d)", re.sub(r"(?<=\d)[.,'’\u202f\u00a0 ](?=\d{3}(?!\d))", "", told)):
        raise PrintFault("ticket", path.name, f"does not say that there are {len(rows)} pieces")
    for part in batch.parts:
        if hashlib.sha256(part.read_bytes()).hexdigest()[:16] not in text:
            raise PrintFault("ticket", path.name, f"does not have the checksum of {part.name}")


def check_sums(batch: Batch) -> None:
    """Every file of the folder is in the checksums, with the checksum that it has."""
    path = batch.paper("SHA256SUMS")
    told = dict(reversed(line.split("  ", 1)) for line in path.read_text("utf-8").splitlines())
    there = {file.name for file in batch.folder.iterdir() if file.is_file()} - {path.name}
    if told.keys() != there:
        raise PrintFault("sums", path.name, f"{sorted(told.keys() ^ there)} in the folder or the list only")
    for name, sha256 in told.items():
        if hashlib.sha256((batch.folder / name).read_bytes()).hexdigest() != sha256:
            raise PrintFault("sums", name, "its checksum is not that of SHA256SUMS")
