"""An installation in a folder: a configuration, and what an operator has put beside it."""

import os
from collections.abc import Mapping
from pathlib import Path

from gateway.settings import Settings, load, write_starter

SCRIPTED = Path(__file__).parents[1] / "workers" / "scripted.py"


class Place:
    """`config`, `data` and `plugins` in one folder. Its database is SQLite unless `database_url` says otherwise."""

    def __init__(self, folder: Path, *, database_url: str | None = None, port: int = 8080) -> None:
        self.folder = folder
        self.config = folder / "config"
        self.data = folder / "data"
        self.environ = {"RISVEGLIO_PORT": str(port)}
        if database_url is not None:
            self.environ["RISVEGLIO_DATABASE_URL"] = database_url
        write_starter(self.config)
        self.write("channels.toml", "")

    def write(self, name: str, text: str) -> None:
        (self.config / name).write_text(text, encoding="utf-8")

    def worker(self, **settings: float) -> None:
        """Settings of the table [worker]."""
        path = self.config / "gateway.toml"
        lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
        path.write_text(path.read_text().replace("[worker]\n", f"[worker]\n{lines}"))

    def script_channels(self, *kinds: str) -> None:
        """Let these channels do what each message tells them."""
        plugins = self.folder / "plugins"
        plugins.mkdir(exist_ok=True)
        (plugins / "scripted.py").write_text(SCRIPTED.read_text())
        self.write("channels.toml", "".join(f"[channels.{kind}]\n" for kind in kinds))

    def settings(self, environ: Mapping[str, str] = os.environ) -> Settings:
        return load(self.config, {**environ, **self.environ})
