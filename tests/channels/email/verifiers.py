"""Those who check our signatures: three programs that others wrote. Keys come from memory or a file, never the DNS.

Each takes mails and the DNS records, by name, and says for each mail which selectors' signatures hold.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import dkim
import pytest

from tests import npm

Verdict = dict[str, bool]
"""Selector → whether its signature holds."""
Verifier = Callable[[Sequence[bytes], Mapping[str, str]], list[Verdict]]


def dkimpy(mails: Sequence[bytes], records: Mapping[str, str]) -> list[Verdict]:
    """dkimpy, the library of Debian's and Mailman's filters."""
    return [_by_dkimpy(mail, records) for mail in mails]


def _by_dkimpy(mail: bytes, records: Mapping[str, str]) -> Verdict:
    def record(name: bytes, timeout: int = 5) -> bytes | None:
        found = records.get(name.decode().rstrip("."))
        return None if found is None else found.encode()

    def holds(index: int) -> bool:
        try:
            return bool(dkim.DKIM(mail).verify(index, dnsfunc=record))
        except dkim.DKIMException:
            return False

    return {selector: holds(index) for index, selector in enumerate(_selectors(mail))}


def opendkim(folder: Path) -> Verifier:
    """Debian's filter for mail servers, in its test mode. It ends with 0 whatever it finds: its text counts."""
    program = shutil.which("opendkim", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("needs opendkim (Debian)")

    def verify(mails: Sequence[bytes], records: Mapping[str, str]) -> list[Verdict]:
        (folder / "keys").write_text("".join(f"{name} {value}\n" for name, value in records.items()))
        settings = folder / "opendkim.conf"
        settings.write_text(f"TestPublicKeys {folder / 'keys'}\nMode v\nSyslog no\n")
        return [_by_opendkim(program, settings, folder / "mail", mail) for mail in mails]

    return verify


def _by_opendkim(program: str, settings: Path, file: Path, mail: bytes) -> Verdict:
    file.write_bytes(mail)
    said = subprocess.run([program, "-vv", "-x", str(settings), "-t", str(file)], capture_output=True, text=True)
    assert "dkim=" in said.stdout, said
    passed = re.findall(r"dkim=pass[^;]*?header\.s=(\S+)", said.stdout, re.DOTALL)
    return {selector: selector in passed for selector in _selectors(mail)}


def _selectors(mail: bytes) -> list[str]:
    """Of the signatures, from the top."""
    return re.findall(r"\bs=(\w+);", mail.partition(b"\r\n\r\n")[0].decode())


def mailauth(folder: Path) -> Verifier:
    """npm's library for mail servers, whose author wrote Nodemailer."""
    npm.installed(folder, "mailauth@7.1.0")

    def verify(mails: Sequence[bytes], records: Mapping[str, str]) -> list[Verdict]:
        found: list[Verdict] = npm.asked(folder, _MAILAUTH, {"mails": list(mails), "records": records})
        return found

    return verify


_MAILAUTH = """
const { dkimVerify } = require("mailauth/lib/dkim/verify");
let text = "";
process.stdin.on("data", (part) => (text += part)).on("end", async () => {
  const { mails, records } = JSON.parse(text);
  const resolver = async (name, type) => {
    if (type === "TXT" && records[name]) return [[records[name]]];
    throw Object.assign(new Error("no record"), { code: "ENOTFOUND" });
  };
  const verdicts = [];
  for (const mail of mails) {
    const { results } = await dkimVerify(Buffer.from(mail, "base64"), { resolver });
    const signed = results.filter((one) => one.selector);
    verdicts.push(Object.fromEntries(signed.map((one) => [one.selector, one.status.result === "pass"])));
  }
  console.log(JSON.stringify(verdicts));
});
"""
