"""The pages that recipients see. They work without script and without cookies, in the recipient's language."""

from litestar import Router

from gateway.api.pages import click, coupon, opt_in, preferences, unsubscribe
from gateway.api.pages.errors import exception_handlers


def pages() -> Router:
    handlers = [
        *unsubscribe.HANDLERS,
        *opt_in.HANDLERS,
        *preferences.HANDLERS,
        *click.HANDLERS,
        *coupon.HANDLERS,
    ]
    return Router("/", route_handlers=handlers, exception_handlers=exception_handlers())
