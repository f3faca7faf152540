"""Mail servers of Debian, run from a temporary folder: they relay, and write the bounces that ours reads."""

import asyncio
import os
import pwd
import shutil
import signal
import socket
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

BOUNCES = "bounce.shop.example"
"""Mail to this domain goes to the receiver under test, all other to the far server."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


Start = Callable[[int], Awaitable[Process]]


async def started(start: Start) -> tuple[int, Process]:
    """A program that listens, and its port. Another program may be quicker to take a port: then it starts again."""
    for _ in range(3):
        port = free_port()
        process = await start(port)
        if await _is_listening(port, process):
            return port, process
    raise RuntimeError(f"the mail server ended with {process.returncode}")


async def _is_listening(port: int, process: Process) -> bool:
    """Return once something listens on the port, or the process ended before."""
    while process.returncode is None:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.05)
            continue
        writer.close()
        await writer.wait_closed()
        return True
    return False


async def run(*command: str) -> Process:
    """A program of its own process group, so that what it starts can be ended with it."""
    quiet = asyncio.subprocess.DEVNULL
    return await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet, start_new_session=True)


def open_to_others(home: Path) -> None:
    """The parts of a mail server run as other users, who must be let through to its folders."""
    for folder in (home, *home.parents[:-1]):
        if not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)


POSTFIX_MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = relay.example
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
local_recipient_maps =
smtp_host_lookup = native
smtp_dns_support_level = disabled
transport_maps = inline:{{
    {{{bounces} = lmtp:inet:127.0.0.1:{lmtp}}}
    {{shut.example = smtp:[127.0.0.1]:9}}
    {{* = smtp:[127.0.0.1]:{far}}} }}
smtpd_recipient_restrictions = permit_mynetworks, reject
smtpd_relay_restrictions = permit_mynetworks, reject
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 1s
maximal_queue_lifetime = {patience}
bounce_queue_lifetime = 60s
delay_warning_time = {warns}
"""
POSTFIX_MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
tlsmgr    unix  -       -       n       1000?   1       tlsmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
verify    unix  -       -       n       -       1       verify
flush     unix  n       -       n       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
smtp      unix  -       -       n       -       -       smtp
relay     unix  -       -       n       -       -       smtp
showq     unix  n       -       n       -       -       showq
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
discard   unix  -       -       n       -       -       discard
local     unix  -       n       n       -       -       local
virtual   unix  -       n       n       -       -       virtual
lmtp      unix  -       -       n       -       -       lmtp
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
"""


@asynccontextmanager
async def postfix(folder: Path, *, lmtp: int, far: int, patience: str = "60s", warns: str = "0h") -> AsyncIterator[int]:
    """Postfix; its port. What it cannot deliver within its `patience` comes back; `warns`: when it tells of a delay."""
    if os.geteuid() != 0 or shutil.which("postfix") is None:
        pytest.skip("needs Debian's postfix, and root to start it")
    home = folder / "postfix"
    for name in ("queue", "data", "etc"):
        (home / name).mkdir(parents=True)
    open_to_others(home)
    owner = pwd.getpwnam("postfix")
    os.chown(home / "data", owner.pw_uid, owner.pw_gid)
    values = {"folder": home, "bounces": BOUNCES, "lmtp": lmtp, "far": far, "patience": patience, "warns": warns}
    (home / "etc" / "main.cf").write_text(POSTFIX_MAIN.format(**values))
    command = ("postfix", "-c", str(home / "etc"))

    async def start(port: int) -> Process:
        (home / "etc" / "master.cf").write_text(POSTFIX_MASTER.format(port=port))
        return await run(*command, "start-fg")

    port, process = await started(start)
    try:
        yield port
    finally:
        stopping = await run(*command, "stop")
        await stopping.wait()
        await process.wait()


EXIM = """
primary_hostname = relay.example
exim_path = {program}
exim_user = nobody
exim_group = nogroup
deliver_drop_privilege
spool_directory = {folder}/spool
log_file_path = {folder}/log-%s
pid_file_path = {folder}/pid
host_lookup =
rfc1413_query_timeout = 0s
keep_environment =
tls_advertise_hosts =
dsn_advertise_hosts = {dsn}
acl_smtp_rcpt = accept
acl_smtp_data = accept
message_size_limit = 10M

begin acl
accept:
  accept

begin routers
bounces:
  driver = manualroute
  domains = {bounces}
  transport = reader
  route_list = * 127.0.0.1
  self = send
nowhere:
  driver = redirect
  allow_fail
  domains = nowhere.example
  data = :fail: Unrouteable address
far:
  driver = manualroute
  domains = !nowhere.example
  transport = far
  route_list = * 127.0.0.1
  self = send

begin transports
reader:
  driver = smtp
  port = {lmtp}
  protocol = lmtp
  hosts_try_fastopen =
  allow_localhost
far:
  driver = smtp
  port = {far}
  hosts_try_fastopen =
  allow_localhost

begin retry
* * F,{patience},1s
"""


@asynccontextmanager
async def exim(folder: Path, *, lmtp: int, far: int, patience: str = "60s", dsn: str = "") -> AsyncIterator[int]:
    """Exim; its port. It says that it writes DSNs to the hosts in `dsn`, none by default, as it is delivered."""
    program = shutil.which("exim4") or shutil.which("exim")
    if os.geteuid() != 0 or program is None:
        pytest.skip("needs exim4 (see exim.sh beside this), and root to start it")
    home = folder / "exim"
    (home / "spool").mkdir(parents=True)
    values = {"folder": home, "bounces": BOUNCES, "lmtp": lmtp, "far": far, "patience": patience, "dsn": dsn}
    (home / "exim.conf").write_text(EXIM.format(program=program, **values))
    open_to_others(home)
    owner = pwd.getpwnam("nobody")
    for path in (home, home / "spool"):
        os.chown(path, owner.pw_uid, owner.pw_gid)
    conf = str(home / "exim.conf")
    port, process = await started(lambda port: run(program, "-C", conf, "-bdf", "-q1s", "-oX", f"127.0.0.1.{port}"))
    try:
        yield port
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        await process.wait()
