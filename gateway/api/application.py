"""The API as one application."""

from collections.abc import Sequence
from typing import Final

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.types import ControllerRouterHandler

from gateway.api import (
    audit,
    batch_lists,
    batches,
    bulk,
    channels,
    codes,
    consents,
    coupons,
    doubts,
    endpoints,
    explain,
    health,
    hooks,
    jobs,
    metrics,
    offers,
    privacy,
    push_tokens,
    recipients,
    redemptions,
    registers,
    replies,
    returns,
    schema,
    senders,
    template_previews,
    templates,
    tills,
    try_out,
)
from gateway.api.auth import guard
from gateway.api.door import Door, host_name
from gateway.api.headers import open_to_other_sites, security_headers
from gateway.api.in_flight import InFlight
from gateway.api.metrics import Measured
from gateway.api.misses import Misses
from gateway.api.pages import pages, print_desk, push_scripts, push_subscriptions, till
from gateway.api.problems import exception_handlers
from gateway.api.readings import Readings
from gateway.api.rooms import ONE_MEGABYTE, Rooms
from gateway.api.turnstile import Turnstile

_NOUNS: Final = (
    audit,
    batch_lists,
    batches,
    channels,
    codes,
    consents,
    coupons,
    doubts,
    endpoints,
    explain,
    health,
    hooks,
    metrics,
    offers,
    privacy,
    print_desk,
    push_scripts,
    push_subscriptions,
    push_tokens,
    recipients,
    redemptions,
    registers,
    replies,
    returns,
    schema,
    senders,
    till,
    tills,
)

_LONG: Final = (*jobs.HANDLERS, *templates.HANDLERS, *template_previews.HANDLERS, *try_out.HANDLERS)
"""Routes that take whole audiences or contents."""


def build(rooms: Rooms, more: Sequence[ControllerRouterHandler] = ()) -> Litestar:
    """The application. `more` are routes of others beside the API's, such as the dashboard's.

    Theirs too are closed unless they say who may come in (`gateway.api.operations`).
    """
    public_url = rooms.installation.public_url
    app = Litestar(
        route_handlers=[
            *(handler for noun in _NOUNS for handler in noun.HANDLERS),
            Router("/", route_handlers=_LONG, request_max_body_size=rooms.server.max_body_bytes),
            # Taken in line by line: only the length of a line has a limit.
            Router("/", route_handlers=bulk.HANDLERS, request_max_body_size=None),
            pages(),
            *more,
        ],
        guards=[guard(rooms)],
        dependencies={
            "rooms": _provided(rooms),
            "working": _provided(InFlight()),
            "missed": _provided(Misses(rooms.meters)),
            "counted": _provided(Turnstile()),
            "readings": _provided(Readings()),
        },
        exception_handlers=exception_handlers(public_url),
        before_send=[open_to_other_sites, security_headers(public_url)],
        request_max_body_size=ONE_MEGABYTE,
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
    hosts = rooms.server.allowed_hosts or (host_name(public_url.partition("://")[2]),)
    app.asgi_handler = Door(Measured(app.asgi_handler, rooms.meters), hosts, public_url, rooms.installation.short_url)
    return app


def _provided(value: object) -> Provide:
    return Provide(lambda: value, sync_to_thread=False)
