"""The operator's settings: three TOML files in one folder, read once at the start.

`gateway.toml` says where things are, `channels.toml` how to reach the providers, `policies.toml`
what people are spared. Only `gateway.toml` must be there.
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
    "Plugins",
    "Problem",
    "Server",
    "Settings",
    "SettingsError",
    "Worker",
    "load",
    "write_starter",
]
