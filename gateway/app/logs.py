"""Logs on the standard error: events with ids, never people."""

import logging
import sys

import structlog

from gateway.settings import Log


def configure_logs(log: Log) -> None:
    """One event a line. Libraries are heard from warnings on: what they say below that may hold addresses."""
    level = logging.getLevelNamesMapping()[log.level.upper()]
    shown = (
        structlog.processors.JSONRenderer()
        if log.format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            # Places, never values: a traceback with local variables would show people.
            structlog.processors.format_exc_info,
            shown,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    # Their messages name the other side of a conversation: a server's echo holds addresses.
    for name in ("twilio", "aiosmtplib", "mail.log", "apscheduler", "aiohttp.access"):
        logging.getLogger(name).setLevel(logging.ERROR)
