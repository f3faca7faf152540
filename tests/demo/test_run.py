"""The demonstration as anybody would start it: the real command, the real processes, once for all these tests."""

import csv
import email
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pikepdf
import pytest

from gateway.demo.house import MARKER

pytestmark = pytest.mark.acceptance

PROCESS = re.compile(r"process (\d+):")
WITHIN_S = 300
"""Far more than it takes: a machine may have other things to do."""


class Played(NamedTuple):
    code: int
    output: str
    folder: Path

    def lines(self, path: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / path).read_text("utf-8").splitlines()]

    def report(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads((self.folder / "report.json").read_bytes())
        return report

    def sent(self, channel: str) -> int:
        return sum(
            each["sent"] for step in self.report()["steps"] for each in step["channels"] if each["channel"] == channel
        )


def command(folder: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "gateway", *(words or ("demo", "--folder", str(folder)))]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    folder = tmp_path_factory.mktemp("played") / "demo"
    done = subprocess.run(command(folder), capture_output=True, text=True, timeout=WITHIN_S)
    return Played(done.returncode, done.stdout + done.stderr, folder)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_ends_by_itself_and_what_arrived_agrees_with_the_ledger(played: Played) -> None:
    assert played.code == 0, played.output
    assert played.output.count("✓") >= 15
    assert "✗" not in played.output


def test_every_process_that_it_started_is_gone(played: Played) -> None:
    pids = [int(pid) for pid in PROCESS.findall(played.output)]
    assert len(pids) == 4
    assert not any(is_alive(pid) for pid in pids)


def test_no_line_is_wider_than_the_terminal(played: Played) -> None:
    assert max(len(line) for line in played.output.splitlines()) <= 100


def test_the_report_adds_up(played: Played) -> None:
    report = played.report()
    first = report["steps"][0]
    sends = sum(outcome["sends"] for channel in first["channels"] for outcome in channel["outcomes"])
    fallbacks = sum(channel["fallbacks"] for channel in first["channels"])
    assert 1_000 <= report["audience"] <= 1_800
    assert first["people"] == report["audience"]
    # Who was refused on a channel has another send on the next.
    assert sends - fallbacks == report["audience"]
    assert 0 < fallbacks < 100
    assert report["state"] == "done"
    assert report["in_doubt"] == 0
    [offer] = report["offers"]
    assert 100 < offer["redeemed"] < offer["published"]


def test_every_mail_arrived_once(played: Played) -> None:
    ids = [mail["message_id"] for mail in played.lines("received/smtp/received.ndjson")]
    assert len(ids) == len(set(ids)) == played.sent("email") > 1_000


def test_every_sms_arrived_once_and_is_short(played: Played) -> None:
    texts = played.lines("received/twilio/received.ndjson")
    assert len(texts) == len({text["sid"] for text in texts}) == played.sent("sms") > 100
    # In Cyrillic 70 characters are one segment; the others must do with one.
    assert {text["segments"] for text in texts if text["body"].isascii()} == {1}
    assert max(text["segments"] for text in texts) <= 2


def test_people_are_written_to_in_their_language(played: Played) -> None:
    languages = Counter(
        html[1]
        for path in sorted((played.folder / "received/smtp/mail").iterdir())
        if (html := re.search(r'<html lang="(\w+)">', html_of(path)))
    )
    assert set(languages) == {"en", "it", "ru"}
    assert min(languages.values()) > 100


def html_of(path: Path) -> str:
    [part] = [
        part for part in email.message_from_bytes(path.read_bytes()).walk() if part.get_content_type() == "text/html"
    ]
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content.decode()


def test_the_print_files_are_complete(played: Played) -> None:
    [sums] = (played.folder / "data/prints").glob("*/*_SHA256SUMS")
    named = [line.split("  ") for line in sums.read_text().splitlines()]
    assert all(sha256((sums.parent / name).read_bytes()).hexdigest() == digest for digest, name in named)
    [part] = sums.parent.glob("*_part*.pdf")
    [ticket] = sums.parent.glob("*_jobticket.json")
    with pikepdf.open(part) as pdf:
        assert len(pdf.pages) == 2 * json.loads(ticket.read_bytes())["totals"]["records"] > 100


def test_the_page_needs_nothing_from_elsewhere(played: Played) -> None:
    page = (played.folder / "report.html").read_text("utf-8")
    assert "Received against ledger" in page
    assert not re.search(r'<(?:script|link)\b|<img\b(?![^>]*src="data:)', page)


def test_the_csv_says_the_same_as_the_json(played: Played) -> None:
    with (played.folder / "report.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    [redeemed] = [row for row in rows if (row["row"], row["step"], row["state"]) == ("total", "", "redeemed")]
    assert int(redeemed["count"]) == played.report()["offers"][0]["redeemed"]


def test_no_person_is_in_the_log(played: Played) -> None:
    log = (played.folder / "gateway.log").read_text("utf-8")
    assert "gateway.stopped" in log
    assert not re.search(r"@[a-z]+\.example|@example|\+1\d{10}", log)


@pytest.fixture
def served(played: Played) -> Iterator[str]:
    """The gateway of the demonstration, started again as the last lines of the output say."""
    settings = (played.folder / "config/gateway.toml").read_text()
    port = int(re.search(r"port = (\d+)", settings)[1])  # type: ignore[index]
    process = subprocess.Popen(
        command(played.folder, "serve", "--config", str(played.folder / "config")), stderr=subprocess.DEVNULL
    )
    try:
        deadline_s = time.monotonic() + 60
        while time.monotonic() < deadline_s and process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=60)


def test_the_api_can_be_looked_at_afterwards(played: Played, served: str) -> None:
    token = (played.folder / "config/keys/shop.token").read_text().strip()
    request = urllib.request.Request(f"{served}/v1/jobs", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert [job["id"] for job in json.load(answer)["jobs"]] == [played.report()["id"]]
    with urllib.request.urlopen(f"{served}/schema", timeout=30) as answer:
        assert answer.status == 200


def test_a_folder_that_no_demonstration_made_is_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "thesis.txt"
    precious.write_text("years of work")
    done = subprocess.run(command(tmp_path), capture_output=True, text=True, timeout=WITHIN_S)
    assert done.returncode == 1
    assert "nothing was removed" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_takes_everything_down_with_it(tmp_path: Path, number: signal.Signals) -> None:
    """And it empties what an earlier demonstration left behind."""
    (tmp_path / MARKER).touch()
    (tmp_path / "report.html").write_text("from the last time")
    process = subprocess.Popen(command(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pids = []
    for line in process.stdout:
        pids += [int(pid) for pid in PROCESS.findall(line)]
        if "handed in" in line:
            break
    process.send_signal(number)
    process.communicate(timeout=WITHIN_S)
    assert process.returncode not in (0, None)
    assert len(pids) == 4
    assert not any(is_alive(pid) for pid in pids)
    assert not (tmp_path / "report.html").exists()
