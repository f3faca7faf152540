"""The coupon's own page: behind a link in a message, and behind the QR code on paper."""

from urllib.parse import quote

from gateway.domain.tokens import BadToken
from gateway.services.installation import Installation


def coupon_url(installation: Installation, code: str, offer: str) -> str:
    """The page of a normalised code, signed over the code and the key of its offer.

    A signature says that the code was made here, and not that it is still good. The path may be read in capitals.
    """
    signature = installation.keys.sign_short("coupon", _signed(code, offer))
    return f"{installation.public_url}/r/{quote(code, safe='')}/{signature}"


def is_signed(installation: Installation, code: str, offer: str, signature: str) -> bool:
    """Whether the signature, in capitals or not, is ours for this code of this offer."""
    try:
        installation.keys.expect_short("coupon", _signed(code, offer), signature.upper())
    except BadToken:
        return False
    return True


def _signed(code: str, offer: str) -> bytes:
    return f"{code}\0{offer}".encode()
