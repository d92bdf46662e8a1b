"""Signatures of URLs that are good without a key, for one asset and for a time."""

from __future__ import annotations

import base64
import hashlib
import hmac

__all__ = ["Signer"]

PURPOSE = b"comfywire: a URL that is good without a key"
"""Part of every signature: what the service's secret signs for another purpose is no signature here."""


class Signer:
    """Signs with HMAC-SHA256.

    Args:
        secret: Signs; only the service knows it.
        former: Secrets that the service had before, or is about to have: their signatures are good as well.

    """

    def __init__(self, secret: bytes, *former: bytes) -> None:
        self._keys = [hmac.digest(one, PURPOSE, hashlib.sha256) for one in (secret, *former)]

    def sign(self, subject: str, expires: int) -> str:
        """Return the signature with which ``subject`` may be had until ``expires``, a Unix time."""
        return _signature(self._keys[0], subject, expires)

    def is_good(self, subject: str, expires: int, signature: str, *, now: float) -> bool:
        """Whether ``signature`` was made here for this subject and time, and the time has not passed."""
        given = signature.encode("utf-8", "replace")
        fits = [hmac.compare_digest(_signature(key, subject, expires).encode(), given) for key in self._keys]
        return any(fits) and now < expires


def _signature(key: bytes, subject: str, expires: int) -> str:
    digest = hmac.digest(key, f"{expires}\n{subject}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
