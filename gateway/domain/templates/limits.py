"""The sizes that keep a template from becoming a program."""

from typing import Final, Literal

Kind = Literal["line", "text", "html", "url"]

SOURCE_BYTES: Final[dict[Kind, int]] = {"line": 20_000, "text": 20_000, "html": 200_000, "url": 20_000}
OUTPUT_CHARS: Final[dict[Kind, int]] = {"line": 2_000, "text": 100_000, "html": 500_000, "url": 2_048}
"""The most a part may come to, whatever its `Part.max_chars`."""

VALUE_CHARS: Final = 100_000
"""The longest text that an expression may build on its way."""
NUMBER: Final = 2**63
"""Whole numbers stay within what the database and the wire can hold."""

TAGS: Final = 1_000
"""`{{` and `{%` in one source; counted before parsing, so that parsing stays cheap."""
MOST_LOCALES: Final = 100
CONTENT_BYTES: Final = 1_000_000
CONTENT_TAGS: Final = 10_000
"""Over all languages and parts of a content: workers compile it as a whole."""
NODES: Final = 10_000
DEPTH: Final = 60
"""Brackets, filters and blocks within each other; Python's compiler gives up soon after."""
LOOPS: Final = 2
"""Loops within each other."""
TURNS: Final = 10_000
"""Turns of all loops together while one part is rendered."""
LINK_CHARS: Final = 2_000
