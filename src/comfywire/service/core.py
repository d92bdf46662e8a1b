"""Stand-in until the API's own is merged: what handlers work with."""

from __future__ import annotations

from dataclasses import dataclass

from .access import Access
from .limits import RateLimits
from .settings import Settings
from .webhooks import Webhooks

__all__ = ["Core"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """The parts of the service."""

    settings: Settings
    access: Access
    limits: RateLimits
    webhooks: Webhooks
