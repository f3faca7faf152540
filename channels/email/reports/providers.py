"""Which provider a call says that it is from. Only that one is asked whether it is."""

from collections.abc import Iterator

from channels.email.config import EmailConfig
from channels.email.inbound.hearing import ids_of
from channels.email.inbound.ids import Ids
from channels.email.reports.config import ReportsConfig
from channels.email.reports.mailgun import Mailgun
from channels.email.reports.postmark import Postmark
from channels.email.reports.provider import Provider
from channels.email.reports.sendgrid import Sendgrid
from channels.email.reports.ses import Ses
from gateway.contract import BadSignature, BadWebhook, Context, ProviderEvent, WebhookRequest


class Providers:
    """Those that may report, by their names. `sns_origin` is a pattern of where Amazon SNS lives."""

    def __init__(self, config: EmailConfig, context: Context, sns_origin: str) -> None:
        reports = config.reports or ReportsConfig()
        self._known = dict(_known(reports, ids_of(config), context, sns_origin))

    def of(self, request: WebhookRequest) -> Provider:
        """By `from` in the query, or the only one there is. Raises BadSignature."""
        named = [value for name, value in request.query if name == "from"]
        if not named and len(self._known) == 1:
            return next(iter(self._known.values()))
        if len(named) != 1 or named[0] not in self._known:
            raise BadSignature
        return self._known[named[0]]

    def parse(self, request: WebhookRequest) -> list[ProviderEvent]:
        """The events of a call. Raises BadWebhook."""
        try:
            provider = self.of(request)
        except BadSignature:
            raise BadWebhook("`from` in the URL names no provider that may report") from None
        return list(provider.parse(request))


def _known(config: ReportsConfig, ids: Ids, context: Context, sns_origin: str) -> Iterator[tuple[str, Provider]]:
    if config.ses is not None:
        yield "ses", Ses(config.ses, ids, context, sns_origin)
    if config.sendgrid is not None:
        yield "sendgrid", Sendgrid(config.sendgrid, ids)
    if config.mailgun is not None:
        yield "mailgun", Mailgun(config.mailgun, ids)
    if config.postmark is not None:
        yield "postmark", Postmark(config.postmark, ids)
