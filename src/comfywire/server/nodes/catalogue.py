"""Every node class that the server has, by class_type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfywire.server.nodes import (
    async_testing,
    files,
    images,
    masks,
    scaling,
    show,
    stubs,
    testing,
    text_to_image,
)

if TYPE_CHECKING:
    from comfywire.server.graph import NodeClass

__all__ = ["built_in"]

MODULES = (text_to_image, files, scaling, images, masks, show, stubs, testing, async_testing)


def built_in() -> dict[str, NodeClass]:
    """Return the classes, not yet bound to a server; the order is that of /object_info."""
    return {name: getattr(module, name) for module in MODULES for name in module.__all__}
