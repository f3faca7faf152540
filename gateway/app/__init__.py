"""The parts put together, and running."""

from gateway.app.composition import Gateway, open_gateway
from gateway.app.logs import configure_logs
from gateway.app.metrics import CannotShow
from gateway.app.running import CannotListen, Part, run

__all__ = ["CannotListen", "CannotShow", "Gateway", "Part", "configure_logs", "open_gateway", "run"]
