"""aiohttp's exceptions as ours: was anything sent, or not?"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import aiohttp

from comfywire.errors import ConnectionFailed, ConnectionLost

__all__ = ["NETWORK_ERRORS", "as_ours", "raise_as_ours"]

PLAIN_TEXT = ("WRONG_VERSION_NUMBER", "RECORD LAYER", "RECORD_LAYER", "HTTP_REQUEST")
"""OpenSSL's words for an answer in plain text."""
NETWORK_ERRORS = (aiohttp.ClientError, ConnectionError, TimeoutError, ssl.SSLError)


@contextmanager
def as_ours(doing: str, url: str) -> Iterator[None]:
    """Turn aiohttp's exceptions into ours; ``doing`` is what was under way, ``url`` is shown to the user.

    Raises:
        ConnectionFailed: Nothing was sent.
        ConnectionLost: Something may have been sent.

    """
    try:
        yield
    except NETWORK_ERRORS as error:
        raise_as_ours(error, doing, url)


def raise_as_ours(error: Exception, doing: str, url: str) -> NoReturn:
    """Raise what ``error`` of aiohttp means to us; see :func:`as_ours`."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            raise ConnectionFailed(
                f"the certificate of {url} was not accepted ({error.certificate_error}); "
                "verify=False takes any, such as a self-signed one"
            ) from error
        case aiohttp.ClientConnectorSSLError() | ssl.SSLError() if _speaks_plain_http(error):
            plain = url.replace("https://", "http://", 1)
            raise ConnectionFailed(f"what answers at {url} speaks no https: try {plain}") from error
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError() | ssl.SSLError():
            reason = getattr(error, "os_error", None) or "it did not answer in time"
            raise ConnectionFailed(f"no ComfyUI was reached at {url} ({reason}): is it running?") from error
        # The text of these two has the whole URL, and their repr all headers: not even a cause may show them.
        case aiohttp.InvalidURL():
            raise ConnectionFailed(f"{url} leads to an address that cannot be reached") from None
        case aiohttp.ClientResponseError():
            raise ConnectionLost(f"the connection to {url} broke during {doing}: {_words(error)}") from None
        case _:
            raise ConnectionLost(f"the connection to {url} broke during {doing}: {_words(error)}") from error


def _speaks_plain_http(error: BaseException) -> bool:
    """Whether what answered a TLS greeting was no TLS: OpenSSL's words for a reply in plain text."""
    words = str(getattr(error, "os_error", None) or error).upper()
    return any(sign in words for sign in PLAIN_TEXT)


def _words(error: BaseException) -> str:
    words = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
    return words.strip()[:200] or type(error).__name__
