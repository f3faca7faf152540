"""The print shop's colour profile (ISO 15076-1, ICC.1): read, and looked at before it goes into a print file."""

from typing import Final

from msgspec import Struct

from channels.postal.order import PrintOrder
from gateway.contract import ChannelMisconfigured

_MAX_BYTES: Final = 20_000_000
_HEADER_BYTES: Final = 128


class OutputIntent(Struct, frozen=True, kw_only=True):
    """The colours that a file is made for: the name of the printing condition, and its profile."""

    condition: str
    profile: bytes


def output_intent(order: PrintOrder) -> OutputIntent | None:
    """The configured profile; None where there is none.

    Raises ChannelMisconfigured where it cannot be read or is none of a press with four inks.
    """
    if order.icc_profile is None or order.output_condition is None:
        return None
    path = order.icc_profile
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise _unfit(f"{path.name} has more than {_MAX_BYTES // 1_000_000} MB")
        profile = path.read_bytes()
    except OSError as error:
        raise _unfit(f"{path.name} cannot be read: {error.strerror}") from None
    if fault := _fault(profile):
        raise _unfit(f"{path.name} {fault}")
    return OutputIntent(condition=order.output_condition, profile=profile)


def _fault(profile: bytes) -> str:
    """What is wrong with a profile, from its header (ICC.1, 7.2); empty where nothing is."""
    if len(profile) < _HEADER_BYTES or profile[36:40] != b"acsp":
        return "is no ICC profile"
    if int.from_bytes(profile[:4]) != len(profile):
        return "is cut off: its length is not the one in its header"
    if profile[12:16] != b"prtr":
        return "is no profile of an output device (prtr)"
    if profile[16:20] != b"CMYK":
        return "is not made for CMYK"
    if profile[8] not in (2, 4):
        # PDF 1.6 and 1.7 take ICC.1 up to version 4 (ISO 32000-1, 8.6.5.5).
        return f"is of version {profile[8]}; a print file takes 2 or 4"
    return ""


def _unfit(what: str) -> ChannelMisconfigured:
    return ChannelMisconfigured("icc-profile", f"order.icc_profile: {what}; ask the print shop for its profile")
