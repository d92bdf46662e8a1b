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
    except aiohttp.ClientConnectorCertificateError as error:
        raise ConnectionFailed(
            f"the certificate of {url} was not accepted ({error.certificate_error}); "
            "verify=False takes any, such as a self-signed one"
        ) from error
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, ssl.SSLError) as error:
        reason = getattr(error, "os_error", None) or "it did not answer in time"
        raise ConnectionFailed(f"no ComfyUI was reached at {url} ({reason}): is it running?") from error
    # The text of these two has the whole URL, and their repr all headers: not even a cause may show them.
    except aiohttp.InvalidURL:
        raise ConnectionFailed(f"{url} leads to an address that cannot be reached") from None
    except aiohttp.ClientResponseError as error:
        raise ConnectionLost(f"the connection to {url} broke during {doing}: {_words(error)}") from None
    except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
        raise ConnectionLost(f"the connection to {url} broke during {doing}: {_words(error)}") from error


def _words(error: BaseException) -> str:
    words = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
    return words.strip()[:200] or type(error).__name__
