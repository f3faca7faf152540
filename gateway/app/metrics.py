"""A small listener for processes without an API, where Prometheus finds their counters."""

import contextlib
from collections.abc import Iterator
from typing import Any

import structlog
from prometheus_client import start_http_server

from gateway.app.opening import CannotRun
from gateway.services.meters import Meters
from gateway.settings import Metrics

log: Any = structlog.get_logger()


class CannotShow(CannotRun):
    """The counters have no address to be asked for at."""


@contextlib.contextmanager
def shown(meters: Meters, settings: Metrics) -> Iterator[None]:
    """Answer every GET with the counters, in a thread: also of a process whose loop hangs. Raises CannotShow.

    Nothing at all where the settings name no port.
    """
    if settings.port is None:
        yield
        return
    try:
        server, thread = start_http_server(settings.port, settings.host, meters.registry)
    except OSError as error:
        place = f"{settings.host}:{settings.port}"
        raise CannotShow(f"no metrics can be shown at {place}: {error.strerror}; see [metrics]") from None
    try:
        log.info("metrics.shown", host=settings.host, port=server.server_port)
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
