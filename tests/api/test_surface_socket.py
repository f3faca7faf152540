"""What only raw bytes on a socket can say."""

import pytest

from tests.api.house import House
from tests.api.test_server import caller, raw, serving

HEAD = b"Host: gateway.example.com\r\nConnection: close\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        b"POST /p/x HTTP/1.1\r\n" + HEAD + b"User-Agent: a\0b\r\nContent-Length: 0\r\n\r\n",
        b"GET /v1/jobs HTTP/1.1\r\n" + HEAD + b"Authorization: Bearer \xff\xfe\r\n\r\n",
        b"GET /v1/jobs/%00 HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"GET //evil.example/ HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"GET http://evil.example/v1/jobs HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"POST /v1/jobs HTTP/1.1\r\n" + HEAD + b"Content-Length: -1\r\n\r\n",
        b"POST /v1/jobs HTTP/1.1\r\n" + HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/jobs HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /v1/jobs?" + b"a=1&" * 20_000 + b" HTTP/1.1\r\n" + HEAD + b"\r\n",
    ],
    ids=lambda request_: repr(request_[:30]) if isinstance(request_, bytes) else "",
)
async def test_bytes_that_make_no_sense_are_refused_and_the_next_caller_is_served(
    small_house: House, request_: bytes
) -> None:
    async with serving(small_house) as address:
        answer = await raw(address, request_)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer[:200]
        async with caller(small_house, address) as visitor:
            assert (await visitor.get("/health")).status_code == 200
