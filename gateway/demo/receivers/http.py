"""Listening for HTTP, without a word of it in a log: paths and forms are capabilities and personal data."""

from aiohttp import web

from gateway.demo.receivers.lifetime import HOST


async def serve_http(app: web.Application, port: int) -> tuple[web.AppRunner, int]:
    """Start `app`; gives the runner, to be cleaned up at the end, and the port it listens on."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2)
    await runner.setup()
    await web.TCPSite(runner, HOST, port).start()
    return runner, runner.addresses[0][1]
