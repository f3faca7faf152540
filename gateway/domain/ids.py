"""Public ids: a short kind and 96 random bits, made once at the edge."""

import base64
import secrets
from typing import Literal


def new_id(kind: Literal["job", "bat", "red", "hold", "til", "key", "ep", "msg", "erased", "merged", "test"]) -> str:
    """Such as `job_k3vq...`: lower case, safe in a URL, telling nothing but its kind."""
    return f"{kind}_{base64.b32encode(secrets.token_bytes(12)).decode().rstrip('=').lower()}"
