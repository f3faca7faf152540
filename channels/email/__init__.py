"""E-mail over SMTP: one mail per recipient, through a relay that takes mail from us."""

from channels.email.channel import EmailChannel
from channels.email.config import EmailConfig

__all__ = ["EmailChannel", "EmailConfig"]
