"""Guards connections to URLs that callers give: none goes into the private network of the service."""

from __future__ import annotations

import functools
import ipaddress
import socket
import ssl
from collections.abc import Hashable
from typing import Protocol

import httpx

from comfywire.errors import ComfywireError

from .daemon_threads import DaemonThreads

__all__ = ["GuardedTransport", "PrivateAddress", "UnknownHost", "is_public", "resolve_public"]

WRAPPING = [ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96")]
"""NAT64, and the forerunner of IPv4-mapped addresses: the last 32 bits are an IPv4 address."""
UNICAST = ipaddress.IPv6Network("2000::/3")
"""The IPv6 addresses that IANA gives out for the public internet; ``WRAPPING`` is looked at first."""
_IPV4 = """
0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24
192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24
203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
"""
_IPV6 = "2001::/23 2001:db8::/32 2620:4f:8000::/48 3fff::/20"
SPECIAL = [ipaddress.ip_network(network) for network in f"{_IPV4} {_IPV6}".split()]
"""IANA's registries of special-purpose addresses, of November 2026. Python's own copy differs by version."""
LOOKUPS = DaemonThreads("looking up names", most=32, most_per_owner=4)
"""For names that callers gave: one that no DNS server answers must not hold up the service's own look-ups."""


class PrivateAddress(ComfywireError):
    """A URL leads to a loopback, private or otherwise special address."""


class UnknownHost(ComfywireError):
    """DNS has no address for a host, or gives no answer."""


def is_public(address: str) -> bool:
    """Whether an IP address is of the public internet, as is any IPv4 address that an IPv6 address wraps."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = _wrapped(parsed)
        if inner is not None:
            return is_public(str(inner))
        if parsed not in UNICAST:
            return False
    return not any(parsed in network for network in SPECIAL if network.version == parsed.version)


def _wrapped(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that a packet to an IPv6 address would reach; None if there is none."""
    if any(address in network for network in WRAPPING):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


async def resolve_public(
    host: str, port: int, *, allow_private: bool = False, owner: Hashable = None
) -> list[str]:
    """Return the IP addresses of ``host``, all of them checked.

    The caller connects to these addresses, not to the name: asked again, an attacker's DNS server may answer
    with a private address. Cancelling ends the wait; the resolver's thread ends by itself. When many names of
    an ``owner`` get no answer, that owner's further look-ups wait, and no other owner's.

    Raises:
        PrivateAddress: An address is not public, and ``allow_private`` is not set.
        UnknownHost: The host has no address.

    """
    try:
        answers = await LOOKUPS.run(
            lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), owner=owner, waits=True
        )
    except (OSError, UnicodeError) as error:
        raise UnknownHost(f"host {host!r} was not found: check the URL") from error
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in answers))
    private = [address for address in addresses if not is_public(address)]
    if private and not allow_private:
        raise PrivateAddress(
            f"host {host!r} is {private[0]}, which is not a public address: "
            "use a public URL, or start the service with --allow-private-urls"
        )
    return addresses


@functools.cache
def _trusting() -> ssl.SSLContext:
    """Return a TLS context with the usual authorities, for all transports: making one takes 25 ms."""
    return httpx.create_ssl_context(trust_env=False)


class Resolve(Protocol):
    """What :func:`resolve_public` does."""

    async def __call__(
        self, host: str, port: int, *, allow_private: bool = False, owner: Hashable = None
    ) -> list[str]: ...


class GuardedTransport(httpx.AsyncBaseTransport):
    """For ``httpx.AsyncClient(transport=…)``: each request, also each redirect, goes to a checked address.

    The transport connects to the very address that it checked, while ``Host`` and the certificate stay those
    of the URL's name. Connections are not kept: a connection to an address must not serve another name there,
    whose certificate was never seen. ``extensions={"owner": ...}`` of a request says whose look-up it is.

    Raises:
        PrivateAddress: Raised by a request instead of being sent.
        UnknownHost: Raised by a request instead of being sent.

    """

    def __init__(
        self,
        *,
        allow_private: bool = False,
        resolve: Resolve = resolve_public,
        verify: ssl.SSLContext | None = None,
    ) -> None:
        self._allow_private = allow_private
        self._resolve = resolve
        self._inner = httpx.AsyncHTTPTransport(
            verify=_trusting() if verify is None else verify,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            trust_env=False,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send to the first address that answers."""
        url = request.url
        port = url.port or {"http": 80, "https": 443}[url.scheme]
        name = url.raw_host.decode("ascii")
        owner = request.extensions.get("owner")
        addresses = await self._resolve(name, port, allow_private=self._allow_private, owner=owner)
        *others, last = addresses
        for address in others:
            try:
                return await self._send(request, url, address)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue  # no connection, so nothing was sent: another address may get the request
        return await self._send(request, url, last)

    async def _send(self, request: httpx.Request, url: httpx.URL, address: str) -> httpx.Response:
        sent = httpx.Request(
            request.method,
            url.copy_with(host=address),
            headers=request.headers,  # httpx has set Host, from the URL's name
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": url.raw_host.decode("ascii")},
        )
        return await self._inner.handle_async_request(sent)

    async def aclose(self) -> None:
        """Close the connections that are open."""
        await self._inner.aclose()
