"""The parts put together, and running."""

from gateway.app.composition import Gateway, open_gateway
from gateway.app.logs import configure_logs
from gateway.app.running import CannotListen, Part, run

__all__ = ["CannotListen", "Gateway", "Part", "configure_logs", "open_gateway", "run"]
