"""What of the channel's configuration the reading of mail needs."""

from channels.email.config import EmailConfig
from channels.email.inbound.ids import Ids
from channels.email.inbound.reading import Reader


def bounce_domains(config: EmailConfig) -> frozenset[str]:
    """The domains whose addresses are the gateway's own: `b+<id>@` and `u+<id>@`."""
    profiles = [config.profile(name) for name in (None, *config.brands)]
    return frozenset(profile.bounce_domain for profile in profiles if profile.bounce_domain is not None)


def ids_of(config: EmailConfig) -> Ids:
    profiles = [config.profile(name) for name in (None, *config.brands)]
    return Ids(bounce_domains(config), {profile.message_id_domain or profile.sender.domain for profile in profiles})


def reader_of(config: EmailConfig) -> Reader:
    profiles = [config.profile(name) for name in (None, *config.brands)]
    mailboxes = {address.lower() for address in (config.inbound.mailboxes if config.inbound is not None else ())}
    mailboxes |= {profile.reply_to.lower() for profile in profiles if profile.reply_to is not None}
    return Reader(ids_of(config), mailboxes)
