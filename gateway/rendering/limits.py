"""What a worker process takes from itself before it reads the first template. POSIX only."""

import signal
import sys

OPEN_FILES = 64
"""Babel reads a file for each new locale."""


def confine(memory_bytes: int) -> None:
    """No more memory than `memory_bytes` of address space, no new processes, no files written, no core dumps.

    Ctrl-C and a service manager's SIGTERM reach the whole group; the gateway drains then,
    and closes our pipe when it is done.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if sys.platform == "win32":
        return
    import resource

    for limit, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_NPROC, 0),
    ):
        _, hard = resource.getrlimit(limit)
        resource.setrlimit(limit, (min(most, hard) if hard != resource.RLIM_INFINITY else most,) * 2)


def end_after(limit_s: float) -> None:
    """Let the kernel end this process in `limit_s`, also in the middle of one long operation; 0 calls it off.

    The gateway has a clock of its own. This one still runs when the gateway is gone.
    """
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_REAL, limit_s)
