"""aiohttp's exceptions as ours: was anything sent, or not?"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp

from comfywire.errors import ConnectionFailed, ConnectionLost

__all__ = ["as_ours"]


@contextmanager
def as_ours(doing: str, url: str) -> Iterator[None]:
    """Turn aiohttp's exceptions into ours; ``doing`` is what was under way, ``url`` is shown to the user.

    Raises:
        ConnectionFailed: Nothing was sent.
        ConnectionLost: Something may have been sent.

    """
    try:
        yield
    except (aiohttp.ClientConnectorCertificateError, ssl.SSLError) as error:
        raise ConnectionFailed(f"the certificate of {url} was not accepted: {error}") from error
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        reason = getattr(error, "os_error", None) or "it did not answer in time"
        raise ConnectionFailed(f"no ComfyUI was reached at {url} ({reason}): is it running?") from error
    except aiohttp.InvalidURL as error:
        raise ConnectionFailed(f"{url} is no address that can be reached") from error
    except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
        raise ConnectionLost(f"the connection to {url} broke during {doing}: {_words(error)}") from error


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__
