"""How the gateway proves to a launcher of the same user that it is theirs: a keyed digest over a fresh nonce.

The port is inside the proof. Without it, a stranger on port A could hand the challenge on to the real gateway on
port B and present its answer (security sheet §1.5).
"""

import hmac
import re
from typing import Final

NONCE: Final = re.compile(r"[0-9a-f]{32}")
_DOMAIN: Final = "openclaude-identity-v1"


def proof(secret: str, nonce: str, port: int) -> str:
    """64 hex digits that only a holder of `secret` can compute for this nonce and this port."""
    message = f"{_DOMAIN}|{nonce}|127.0.0.1|{port}"
    return hmac.digest(secret.encode(), message.encode(), "sha256").hex()


def verify(secret: str, nonce: str, port: int, claimed: str) -> bool:
    """Whether `claimed` is the proof, compared in constant time."""
    return hmac.compare_digest(proof(secret, nonce, port).encode(), claimed.encode("utf-8", "replace"))
