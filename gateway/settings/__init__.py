"""The operator's settings: three TOML files in one folder and one for each country, read once at the start.

`gateway.toml` says where things are, `channels.toml` how to reach the providers, `policies.toml`
what people are spared, `countries/*.toml` what the law of their country adds. Only `gateway.toml` must be there.
"""

from gateway.settings.loading import load
from gateway.settings.problems import Problem, SettingsError
from gateway.settings.starter import write_starter
from gateway.settings.tables import (
    ChannelTable,
    Database,
    Egress,
    Keys,
    Log,
    Metrics,
    Plugins,
    Server,
    Settings,
    Worker,
)

__all__ = [
    "ChannelTable",
    "Database",
    "Egress",
    "Keys",
    "Log",
    "Metrics",
    "Plugins",
    "Problem",
    "Server",
    "Settings",
    "SettingsError",
    "Worker",
    "load",
    "write_starter",
]
