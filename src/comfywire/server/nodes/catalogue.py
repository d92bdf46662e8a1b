"""Every node class that the server has, by class_type."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from comfywire.server.nodes import (
    animations,
    async_testing,
    batching,
    blending,
    compositing,
    conditioning,
    edges,
    files,
    filters,
    images,
    latent_files,
    latent_math,
    latent_scaling,
    latents,
    loaders,
    masks,
    noise,
    resizing,
    sampling,
    scaling,
    show,
    sigmas,
    simulated_sound,
    sound_files,
    sounds,
    stitching,
    strings,
    stubs,
    testing,
    texts,
    upscaling,
    vae,
    values,
    vector_files,
    video_files,
)
from comfywire.server.nodes.declared import DeclaredNode, declared

if TYPE_CHECKING:
    from comfywire.server.graph import NodeClass

__all__ = ["GROUPS", "NODES", "built_in"]

MODULES = {
    "Pictures": (
        files,
        images,
        scaling,
        stitching,
        filters,
        blending,
        compositing,
        batching,
        resizing,
        edges,
        noise,
    ),
    "Masks": (masks,),
    "Latents": (latents, latent_scaling, latent_math, latent_files),
    "Animations, video, sound, SVG": (animations, video_files, sound_files, sounds, vector_files),
    "Strings, numbers, logic": (strings, texts, values, show),
    "Schedules": (sigmas,),
    "Diffusion": (loaders, conditioning, sampling, vae, upscaling, simulated_sound),
    "ComfyUI's test pack": (stubs, testing, async_testing),
}
MADE = {loaders: loaders.LOADERS, sampling: sampling.GUIDERS}
MADE[conditioning] = conditioning.ENCODERS | conditioning.CONDITIONINGS | conditioning.CONTROLS


def _nodes(module: object) -> dict[str, NodeClass]:
    exported = {name: getattr(module, name) for name in getattr(module, "__all__", ())}
    written = {
        name: value
        for name, value in exported.items()
        if isinstance(value, type) and hasattr(value, "FUNCTION")
    }
    return written | MADE.get(module, {})  # type: ignore[call-overload, no-any-return]


GROUPS: dict[str, dict[str, NodeClass]] = {
    title: {name: node for module in modules for name, node in _nodes(module).items()}
    for title, modules in MODULES.items()
}
"""The classes without declaration, by what they are about; the order is that of /object_info."""

NODES: dict[str, NodeClass] = {name: node for group in GROUPS.values() for name, node in group.items()}


def built_in(*, is_new: bool = False) -> dict[str, NodeClass]:
    """Return the classes that one version has, not yet bound to a server."""
    return dict(_built_in(is_new=is_new))


@cache
def _built_in(*, is_new: bool) -> dict[str, NodeClass]:
    found: dict[str, NodeClass] = {}
    for name, node_class in NODES.items():
        if not issubclass(node_class, DeclaredNode):
            found[name] = node_class
        elif (complete := declared(name, node_class, is_new=is_new)) is not None:
            found[name] = complete
    return found
