"""The table [channels.postal]: what it refuses."""

import msgspec
import pytest


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"sender_name": ""}, "sender_name"),
        ({"sender_address": []}, "sender_address"),
        ({"sender_country": "Italy"}, "sender_country"),
        ({"sender_country": "XX"}, "sender_country"),
        ({"design": "../a4"}, "design"),
        ({"records_per_part": 0}, "records_per_part"),
        ({"csv_delimiter": "|"}, "csv_delimiter"),
        ({"accent_cmyk": [100, 100, 100, 100]}, "accent_cmyk"),
        ({"accent_cmyk": [0, 0, 101, 0]}, "accent_cmyk"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"profiles": {"window": {"x_mm": 5.0, "w_mm": 20.0}}}, "w_mm"),
        ({"profiles": {"A window": {}}}, "profiles"),
        ({"country_names": {"Germany": "Germania"}}, "country_names"),
        ({"logo": "x.pdf"}, "logo"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_fault_is_refused_by_its_name(config, changes, named):
    with pytest.raises(msgspec.ValidationError, match=named):
        config(**changes)
