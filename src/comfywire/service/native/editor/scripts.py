"""Nodes whose packs have a browser half that changes what is sent, and the editor's notice about them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import unquote

from comfywire.workflow.conversion.packs.builtin import BUILTIN_PACKS

__all__ = ["NOTICE", "PLACE", "notice", "packs_by_type", "without"]

PLACE = "/extensions/comfywire"
"""Where what the editor loads of ours is."""
NOTICE = f"{PLACE}/packs.js"


@cache
def notice() -> bytes:
    """Return the script that tells the editor's user which nodes would send wrong values."""
    return files(__package__).joinpath("notice.js").read_bytes()


def packs_by_type(classes: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return the pack of each node type that needs its browser half.

    Args:
        classes: What the fleet has: a type that takes a widget which only its pack draws is among them.

    """
    return {name: pack for pack, name in _known()} | {name: pack for pack, name in _drawn(classes)}


def without(packs: Mapping[str, str], scripts: Iterable[str]) -> dict[str, str]:
    """Return ``packs`` without those that have a script among ``scripts``.

    A script's second part is the folder of its pack, which people and ComfyUI-Manager write in ways of their
    own: ``ComfyUI-KJNodes``, ``comfyui_kjnodes-main``.
    """
    here = {_plain(folder) for script in scripts if (folder := _folder(script))}
    return {name: pack for name, pack in packs.items() if _plain(pack) not in here}


def _folder(script: str) -> str:
    return f"{script.removeprefix('/extensions/')}/".split("/")[0]


def _plain(name: str) -> str:
    plain = "".join(sign for sign in unquote(name).lower() if sign.isalnum())
    return plain.removesuffix("main").removesuffix("master")


def _known() -> Iterator[tuple[str, str]]:
    for pack in BUILTIN_PACKS:
        for name in {**pack.virtual, **pack.nodes, **pack.texts}:
            yield pack.name, name


def _drawn(classes: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    drawn_by = {kind: pack.name for pack in BUILTIN_PACKS for kind in pack.widget_types}
    for name, entry in classes.items():
        for kind in _types(entry.get("input")):
            if kind in drawn_by:
                yield drawn_by[kind], name


def _types(sections: Any) -> Iterator[str]:
    for specs in sections.values() if isinstance(sections, Mapping) else ():
        for spec in specs.values() if isinstance(specs, Mapping) else ():
            if isinstance(spec, list) and spec and isinstance(spec[0], str):
                yield spec[0]
