"""SMS through Twilio's Messages API."""

from channels.sms.channel import SmsChannel
from channels.sms.config import SmsConfig
from channels.sms.segments import Segments, segments

__all__ = ["Segments", "SmsChannel", "SmsConfig", "segments"]
