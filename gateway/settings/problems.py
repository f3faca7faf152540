"""What can be wrong with the settings, said so that it can be put right at once."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct


class Problem(Struct, frozen=True, kw_only=True, order=True):
    """One fault: `config/channels.toml: [channels.sms] auth_token: environment variable X is not set`.

    `table` and `key` are empty where the fault is the file's or the table's own. The text never
    repeats a value: it may be a secret.
    """

    file: str
    table: str = ""
    key: str = ""
    text: str

    def __str__(self) -> str:
        where = f"[{self.table}] {self.key}".strip() if self.table else self.key
        return ": ".join(part for part in (self.file, where, self.text) if part)


class SettingsError(Exception):
    """The settings cannot be used. `problems` has every fault that could be found in one reading."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


Steps = tuple[str, ...]
"""The way to a value: the tables' names, `[2]` for the second of a list (as `[[caps]]` counts), the key."""


class Faulty:
    """Stands where a value should be whose fault has been noted."""


FAULTY: Final = Faulty()


class Page:
    """Collects the problems of one file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def note(self, steps: Steps, text: str) -> None:
        """A fault of the value at `steps`: its last step is the key."""
        end = -2 if steps[-1].startswith("[") else -1
        self.problems.append(
            Problem(file=self.file, table=_dotted(steps[:end]), key="".join(steps[end:]), text=text),
        )

    def note_table(self, steps: Steps, text: str) -> None:
        """A fault of the table at `steps` as a whole."""
        self.problems.append(Problem(file=self.file, table=_dotted(steps), text=text))


def _dotted(steps: Steps) -> str:
    return ".".join(steps).replace(".[", "[")
