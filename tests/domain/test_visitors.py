"""What visitors say of themselves, and what the time between says of them."""

from datetime import timedelta

import pytest

from gateway.contract import Visitor
from gateway.domain.visitors import judged, visitor


@pytest.mark.parametrize(
    ("agent", "by"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "human"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148", "human"),
        ("Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17928; Pro)", "human"),
        ("Mozilla/5.0", "proxy"),
        ("Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)", "proxy"),
        ("YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html", "proxy"),
        ("Mozilla/5.0 (compatible; ExampleBot/2.1; +https://bot.example/about)", "bot"),
        ("Barracuda Sentinel (EE)", "bot"),
        ("python-requests/2.32", "bot"),
        ("", "bot"),
    ],
)
def test_a_visitor_is_what_it_calls_itself(agent: str, by: Visitor) -> None:
    assert visitor(agent, "") == by


@pytest.mark.parametrize("purpose", ["prefetch", "prefetch;prerender", "Preview"])
def test_who_fetches_ahead_is_nobody_yet(purpose: str) -> None:
    assert visitor("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", purpose) == "bot"


def test_only_a_program_is_faster_than_two_seconds() -> None:
    assert judged("human", timedelta(seconds=1)) == "bot"
    assert judged("human", timedelta(seconds=2)) == "human"
    assert judged("human", None) == "human"
    assert judged("proxy", timedelta(0)) == "proxy"
