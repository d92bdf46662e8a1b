"""Who reaches an address: everybody on the network, or this machine alone."""

from __future__ import annotations

import ipaddress

from comfywire.errors import ComfywireError
from comfywire.service.settings import Settings

__all__ = ["PublicWithoutKeys", "is_loopback", "must_be_own", "must_be_safe"]


class PublicWithoutKeys(ComfywireError):
    """The service would listen on a public address and require no keys."""


def must_be_safe(settings: Settings) -> None:
    """Raise if the service would listen on a public address and require no keys.

    Raises:
        PublicWithoutKeys: Everybody who reaches that address could run anything.

    """
    if not settings.keys_required and not is_loopback(settings.host):
        raise PublicWithoutKeys(
            f"on {settings.host or '0.0.0.0'!r} everybody on the network could run anything: "  # noqa: S104
            "require keys with --keys (`comfywire keys create` makes one), or listen on 127.0.0.1"
        )


def must_be_own(settings: Settings) -> None:
    """Raise if an address that needs no key, since it is one key's, is others' to reach as well.

    Raises:
        PublicWithoutKeys: Everybody who reaches that address could run anything as that key.

    """
    for address in settings.native_listen:
        if not settings.native_anywhere and not is_loopback(address.host):
            raise PublicWithoutKeys(
                f"everybody who reaches {address.host} could run anything as key {address.key!r}: listen on "
                "127.0.0.1, or say --native-anywhere if that is meant"
            )


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine reach an address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
