"""Where a server is and how to prove who we are: one address for HTTP and for the socket."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, quote, unquote, urlencode, urlsplit

__all__ = ["Address"]


@dataclass(frozen=True, slots=True)
class Address:
    """A server's address, with the headers that go with every request to it, and to nowhere else."""

    scheme: str
    host: str
    """Host and port, without user and password."""
    prefix: str = ""
    """Path under which the server is reached, without a trailing slash."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Query parameters that go with every request: some login proxies take a token there."""

    @classmethod
    def parse(
        cls,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
        example: str = "http://127.0.0.1:8188",
    ) -> Address:
        """Return the address that ``url`` names: ``host``, ``host:port`` or a URL with any prefix.

        User and password in the URL become basic authentication, ``token`` becomes a bearer token; named
        ``headers`` win over both.

        Raises:
            ValueError: This is no address of an HTTP server.

        """
        parts, port = _split(url, example)
        name = f"[{parts.hostname}]" if ":" in str(parts.hostname) else str(parts.hostname)
        proof = _basic(parts.username, parts.password) if parts.username is not None else {}
        if token is not None:
            proof = {"Authorization": f"Bearer {token}"}
        query = dict(pair.split("=", 1) for pair in parts.query.split("&") if "=" in pair)
        return cls(
            scheme=parts.scheme,
            host=name if port is None else f"{name}:{port}",
            prefix=parts.path.rstrip("/"),
            headers=_merged(proof, headers or {}),
            query={unquote(key): unquote(value) for key, value in query.items()},
        )

    @property
    def url(self) -> str:
        """The address as it may be shown: without user, password and query."""
        return f"{self.scheme}://{self.host}{self.prefix}"

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"{self.scheme}://{self.host}"

    def http(self, path: str, **query: str) -> str:
        """Return the URL of ``path``, which begins with a slash."""
        return f"{self.url}{path}{self._query(query)}"

    def socket(self, path: str, client_id: str) -> str:
        """Return the URL of the socket that hears the messages of ``client_id``."""
        scheme = "wss" if self.scheme == "https" else "ws"
        return f"{scheme}://{self.host}{self.prefix}{path}{self._query({'clientId': client_id})}"

    def _query(self, query: Mapping[str, str]) -> str:
        pairs = {**self.query, **query}
        return "?" + urlencode(pairs, quote_via=quote) if pairs else ""


def _split(url: str, example: str) -> tuple[SplitResult, int | None]:
    if re.fullmatch(r"[0-9A-Fa-f:]*::[0-9A-Fa-f:.]*", url):
        raise ValueError(f"{url!r} is an IPv6 address: put it in brackets, [{url}] or [{url}]:8188")
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
    except ValueError:  # whose text may quote the password
        raise _no_address(url, example) from None
    try:
        port = parts.port
    except ValueError:
        raise ValueError(f"{_without_secrets(url)!r} has a port that is no number up to 65535") from None
    if parts.scheme not in ("http", "https") or not _is_host(parts.hostname):
        raise _no_address(url, example)
    if "@" in parts.path:
        raise ValueError("an address has an @ in its path: write / as %2F in user and password, @ as %40")
    return parts, port


def _is_host(name: str | None) -> bool:
    if not name or re.search(r"\s", name):
        return False
    try:
        name.encode("idna")
    except UnicodeError:  # an empty part, or one longer than 63 characters
        return False
    return True


def _no_address(url: str, example: str) -> ValueError:
    return ValueError(f"{_without_secrets(url)!r} is not an address like {example}")


def _basic(user: str, password: str | None) -> dict[str, str]:
    pair = f"{unquote(user)}:{unquote(password or '')}".encode()
    return {"Authorization": f"Basic {b64encode(pair).decode()}"}


def _merged(proof: Mapping[str, str], headers: Mapping[str, str]) -> dict[str, str]:
    named = {name.lower() for name in headers}
    return {**{name: value for name, value in proof.items() if name.lower() not in named}, **headers}


def _without_secrets(url: str) -> str:
    """What can be shown of an address that cannot be taken apart."""
    scheme, mark, rest = url.partition("://") if "://" in url else ("", "", url)
    return scheme + mark + rest.rpartition("@")[2].split("?", 1)[0]
