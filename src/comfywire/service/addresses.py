"""Where the service may connect on somebody else's word: not into the network that it stands in."""

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
"""NAT64, and what came before IPv4-mapped addresses: the last 32 bits are an IPv4 address."""
UNICAST = ipaddress.IPv6Network("2000::/3")
"""All that IANA gives out of IPv6 to the public internet; what is wrapped aside."""
_IPV4 = """
0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24
192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24
203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
"""
_IPV6 = "2001::/23 2001:db8::/32 2620:4f:8000::/48 3fff::/20"
SPECIAL = [ipaddress.ip_network(network) for network in f"{_IPV4} {_IPV6}".split()]
"""IANA's registries of special-purpose addresses, of November 2026. Python's own copy differs by version."""
LOOKUPS = DaemonThreads("looking up names", most=32, most_per_owner=4)
"""Of names that strangers gave: where nobody answers for one, the service's own look-ups must go on."""


class PrivateAddress(ComfywireError):
    """A URL leads to a loopback, private or otherwise special address."""


class UnknownHost(ComfywireError):
    """A host's name was not resolved."""


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, also after what IPv6 wraps is unwrapped."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inner = _wrapped(found)
        if inner is not None:
            return is_public(str(inner))
        if found not in UNICAST:
            return False
    return not any(found in network for network in SPECIAL if network.version == found.version)


def _wrapped(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that a packet to this one would reach."""
    if any(address in network for network in WRAPPING):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


async def resolve_public(
    host: str, port: int, *, allow_private: bool = False, owner: Hashable = None
) -> list[str]:
    """Return the IP addresses of ``host``, to be connected to as they are: asked again, DNS may say others.

    Cancelling ends the wait; the resolver's thread ends by itself. An ``owner`` of many names that nobody
    answers for waits for them, and no other does.

    Raises:
        PrivateAddress: One of them is not public, and ``allow_private`` is not set.
        UnknownHost: There are none.

    """
    try:
        found = await LOOKUPS.run(
            lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), owner=owner, waits=True
        )
    except (OSError, UnicodeError) as error:
        raise UnknownHost(f"host {host!r} was not found: check the URL") from error
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    private = [address for address in addresses if not is_public(address)]
    if private and not allow_private:
        raise PrivateAddress(
            f"host {host!r} is {private[0]}, which is not a public address: "
            "use a public URL, or start the service with --allow-private-urls"
        )
    return addresses


@functools.cache
def _trusting() -> ssl.SSLContext:
    """The usual authorities, read once: reading them takes 25 ms, and each input by URL has a transport."""
    return httpx.create_ssl_context(trust_env=False)


class Resolve(Protocol):
    """What :func:`resolve_public` does."""

    async def __call__(
        self, host: str, port: int, *, allow_private: bool = False, owner: Hashable = None
    ) -> list[str]: ...


class GuardedTransport(httpx.AsyncBaseTransport):
    """For ``httpx.AsyncClient(transport=…)``: each request, also each redirect, goes to a checked address.

    The address that was checked is the one connected to. Names and certificates stay the URL's. Connections
    are not kept: one to an address must not serve another name there, whose certificate was never seen.
    ``extensions={"owner": ...}`` of a request says who waits if the name is not answered for.

    Raises:
        PrivateAddress: From a request, instead of its being sent.
        UnknownHost: Likewise.

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
                continue  # nothing was sent
        return await self._send(request, url, last)

    async def _send(self, request: httpx.Request, url: httpx.URL, address: str) -> httpx.Response:
        sent = httpx.Request(
            request.method,
            url.copy_with(host=address),
            headers=request.headers,  # has Host already, by the name
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": url.raw_host.decode("ascii")},
        )
        return await self._inner.handle_async_request(sent)

    async def aclose(self) -> None:
        """Close what is open."""
        await self._inner.aclose()
