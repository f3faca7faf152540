"""The website: its pages, and what its server asks the gateway for."""

import secrets
from importlib.resources import files
from string import Template
from typing import Any, Final

import aiohttp
from aiohttp import web

PURPOSE: Final = "marketing"
_FOLDER: Final = files(__package__)
_KINDS: Final = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
_VISITOR: Final = "visitor"
_TEXT_VERSION: Final = "push-site-1"
"""Names the sentences in index.html that somebody agrees to: who changes them, counts on."""


class PushSite:
    """Every visitor is a customer of their own, known by a cookie, as they would be by a login."""

    def __init__(self, http: aiohttp.ClientSession, gateway_url: str, api_key: str) -> None:
        self._http = http
        self._gateway_url = gateway_url
        self._headers = {"Authorization": f"Bearer {api_key}"}

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/", self._home)
        app.router.add_get("/{name:shop.css|shop.js|risveglio-worker.js}", self._file)
        app.router.add_post("/token", self._token)
        app.router.add_post("/send", self._send)
        return app

    async def _home(self, request: web.Request) -> web.Response:
        response = self._answer("index.html")
        if _VISITOR not in request.cookies:
            response.set_cookie(_VISITOR, f"visitor-{secrets.token_hex(8)}", httponly=True, samesite="Strict")
        return response

    async def _file(self, request: web.Request) -> web.Response:
        return self._answer(request.match_info["name"])

    def _answer(self, name: str) -> web.Response:
        """With a policy as strict as a shop's should be: of other sites, our scripts and our addresses only."""
        text = Template((_FOLDER / name).read_text("utf-8")).substitute(gateway=self._gateway_url)
        ours = f"'self' {self._gateway_url}"
        policy = f"default-src 'none'; style-src 'self'; script-src {ours}; connect-src {ours}; worker-src 'self'"
        return web.Response(
            text=text,
            content_type=_KINDS[name.rpartition(".")[2]],
            headers={"Content-Security-Policy": policy, "Cache-Control": "no-cache"},
        )

    async def _token(self, request: web.Request) -> web.Response:
        """The page asks its own server, which knows who is looking; the API key never leaves it."""
        recipient = f"/v1/recipients/{_visitor(request)}"
        await self._ask("PUT", recipient, {"attributes": {"from": "push-site"}})
        wanted = {"purposes": [PURPOSE], "text_version": _TEXT_VERSION, "source": "push-site"}
        issued = await self._ask("POST", f"{recipient}/push-token", wanted)
        return web.json_response({"token": issued["token"]})

    async def _send(self, request: web.Request) -> web.Response:
        """A job for this one visitor."""
        parts = {
            "title": "Your coffee is ready ☕",
            "body": "Sent by a job, decrypted by your browser. Click it, or put it away: the gateway will know.",
            "url": f"{{{{ track('{request.url.origin()}/?clicked') }}}}",
        }
        job = {
            "name": "a coffee",
            "purpose": PURPOSE,
            "audience": {"kind": "ids", "ids": [_visitor(request)]},
            "steps": [{"name": "coffee", "channels": ["webpush"], "content": {"webpush": {"en": parts}}}],
        }
        accepted = await self._ask("POST", "/v1/jobs", job)
        return web.json_response({"job": accepted["id"]})

    async def _ask(self, method: str, path: str, body: Any) -> Any:
        headers = self._headers | {"Idempotency-Key": secrets.token_hex(16)}
        async with self._http.request(method, self._gateway_url + path, json=body, headers=headers) as answer:
            told = await answer.json(content_type=None)
            if not answer.ok:
                raise web.HTTPBadGateway(text=f"the gateway answers {answer.status}: {told.get('detail')}")
            return told


def _visitor(request: web.Request) -> str:
    known = request.cookies.get(_VISITOR)
    if known is None:
        raise web.HTTPForbidden(text="who are you? Open the page first")
    return known
