"""The pages that recipients see. They work without script and without cookies, in the recipient's language."""

from litestar import Router

from gateway.api.pages import click, coupon, open, opt_in, preferences, trial_links, unsubscribe
from gateway.api.pages.errors import exception_handlers


def pages() -> Router:
    handlers = [
        *unsubscribe.HANDLERS,
        *opt_in.HANDLERS,
        *preferences.HANDLERS,
        *click.HANDLERS,
        *open.HANDLERS,
        *coupon.HANDLERS,
        *trial_links.HANDLERS,
    ]
    return Router("/", route_handlers=handlers, exception_handlers=exception_handlers())
