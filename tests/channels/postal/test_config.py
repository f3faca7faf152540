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
        ({"qr_base_url": "http://go.example.com"}, "qr_base_url"),
        ({"qr_base_url": "https://go.example.com/path"}, "qr_base_url"),
        ({"qr_base_url": "https://user@go.example.com"}, "qr_base_url"),
        ({"qr_base_url": "https://" + "a" * 70 + ".example"}, "qr_base_url"),
        ({"page": "a4-letter"}, "page"),
        ({"records_per_part": 0}, "records_per_part"),
        ({"csv_delimiter": "|"}, "csv_delimiter"),
        ({"accent_cmyk": [100, 100, 100, 100]}, "accent_cmyk"),
        ({"accent_cmyk": [0, 0, 101, 0]}, "accent_cmyk"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"address_profile": {"x_mm": 5.0}}, "address_profile"),
        ({"country_names": {"Germany": "Germania"}}, "country_names"),
        ({"logo": "x.pdf"}, "logo"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_fault_is_refused_by_its_name(config, changes, named):
    with pytest.raises(msgspec.ValidationError, match=named):
        config(**changes)


@pytest.mark.parametrize("url", ["https://go.example.com", "https://go.example.com/", "https://go.example.com:8443"])
def test_a_host_with_or_without_a_port_is_taken(config, url):
    assert config(qr_base_url=url).qr_base_url == url
