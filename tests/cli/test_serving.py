"""Which channels a process works on."""

from pathlib import Path

import pytest
from click import ClickException

from gateway.cli.serving import _chosen
from tests.app.place import Place


@pytest.mark.parametrize(
    ("channels", "others", "chosen"),
    [
        ((), (), ()),
        (("letter",), (), ("letter",)),
        ((), ("letter",), ("brief", "paper")),
        ((), ("letter", "paper"), ("brief",)),
        (("letter", "brief"), ("letter",), ("brief",)),
    ],
)
def test_a_process_takes_the_channels_it_is_given_and_leaves_the_others(
    tmp_path: Path, channels: tuple[str, ...], others: tuple[str, ...], chosen: tuple[str, ...]
) -> None:
    place = Place(tmp_path)
    place.script_channels("letter", "brief", "paper")
    assert _chosen(place.settings(), channels, others) == chosen


def test_where_nothing_is_left_it_is_not_taken_for_everything(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.script_channels("letter")
    with pytest.raises(ClickException, match="nothing to do"):
        _chosen(place.settings(), (), ("letter",))
