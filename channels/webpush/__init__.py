"""Web push straight to the browsers' push services (RFC 8030, 8291, 8292)."""

from channels.webpush.channel import WebPushChannel
from channels.webpush.config import WebPushConfig
from channels.webpush.vapid import VapidKeys, new_vapid_keys

__all__ = ["VapidKeys", "WebPushChannel", "WebPushConfig", "new_vapid_keys"]
