"""The public keys by which SendGrid's calls are known."""

import binascii

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key


def public_key(text: str) -> ec.EllipticCurvePublicKey:
    """A verification key as SendGrid shows it: DER in base64, on P-256. Raises ValueError for anything else."""
    try:
        key = load_der_public_key(binascii.a2b_base64(text, strict_mode=True))
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("reports.sendgrid.public_keys: one is no verification key as SendGrid's pages show it")
    return key
