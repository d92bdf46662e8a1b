"""Files that are named to ``comfywire submit``: where they are here, and what is said of one that is not."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from comfywire.service_client.client import ServiceClient

__all__ = ["Refusal", "given", "judge_of", "judge_registered", "path_of", "uploaded"]

Refusal = Callable[[str, str, str], str | None]
"""Of a parameter, its value, and the path that this would be here: why it is refused, in words."""

SAYS_ITS_FOLDER = re.compile(r" \[(input|output|temp)\]\Z")
"""Ends a name that only a ComfyUI or the service can mean (folder_paths.py, annotated_filepath, 0.3.64)."""


def path_of(value: str, folder: Path | None = None) -> str:
    """Return where ``value`` is here if it is a file; paths begin at ``folder``, and ``~`` is the home."""
    from comfywire.client.files.sources import local_path  # noqa: PLC0415

    if "\0" in value:
        return value
    found = local_path(value)
    return os.fspath(found if folder is None else folder / found)


async def given(client: ServiceClient, name: str, value: str, judge: Refusal) -> Any:
    """Return the asset that ``-p`` names, or the value that is for the service to understand.

    Raises:
        click.BadParameter: It is no file here, and ``judge`` refuses it.

    """
    path = path_of(value)
    asset = await uploaded(client, path)
    if asset != path:
        return asset
    if words := judge(name, value, path):
        raise click.BadParameter(words, param_hint=f"-p {name}")
    return value


async def uploaded(client: ServiceClient, path: str) -> Any:
    """The asset that a file on this machine becomes; what is none stays as it is."""
    if not await asyncio.to_thread(os.path.isfile, path):
        return path
    asset = await client.upload(Path(path))
    return {"__type": "core/ASSET", "info": {"id": asset["id"]}}


def judge_registered(_: str, value: str, path: str) -> str | None:
    """Why a registered workflow cannot take ``value``, which is no file here; None if the service may."""
    return None if _means_a_file(value) else _missing(path)


def judge_of(own: Mapping[str, Sequence[Any]]) -> Refusal:
    """Return what judges the values of a graph's parameters, and warns of a doubtful one once.

    Args:
        own: What the graph itself says in the places of each parameter; such a value stands.

    """
    told: set[str] = set()

    def judge(name: str, value: str, path: str) -> str | None:
        if all(one == value for one in own[name]):
            return None
        words = _graph_refusal(value, path)
        if words is None and value not in told and (doubt := _doubt_of(value)):
            told.add(value)
            click.echo(f"comfywire: warning: {name}: {doubt}", err=True)
        return words

    return judge


def _graph_refusal(value: str, path: str) -> str | None:
    """Why a file's input cannot be ``value``, which is no file here; None if a ComfyUI may have it.

    A bare name may be one of a file on a ComfyUI, which the service has no cheap way to tell; a path is meant
    for this machine, unless it says the folder of the ComfyUI.
    """
    if _means_a_file(value) or SAYS_ITS_FOLDER.search(value):
        return None
    if os.path.isdir(path):  # noqa: PTH112 -- a path too long for a name is none, and no error
        return f"{path!r} is a folder: name one of its files"
    if value.startswith("~") or "/" in value or "\\" in value:
        return (
            f"{_missing(path)}: check the path, or end it with ' [input]' for an upload of yours, "
            "or a file on the ComfyUI"
        )
    return None


def _doubt_of(value: str) -> str | None:
    """What to say of a value that :func:`_graph_refusal` lets through, and that looks like a file's name."""
    from comfywire.client.given import LOOKS_LIKE_A_PATH  # noqa: PLC0415

    if _means_a_file(value) or SAYS_ITS_FOLDER.search(value) or not LOOKS_LIKE_A_PATH.search(value):
        return None
    return f"{_missing(value)}: it is taken to be an upload of yours, or a file on the ComfyUI"


def _missing(path: str) -> str:
    return f"there is no file {path!r} here"


def _means_a_file(value: str) -> bool:
    """Whether the service makes a file of it: a URL, the id of an asset, or base64."""
    if value.partition(":")[0].lower() in ("http", "https", "data"):
        return True
    with contextlib.suppress(ValueError):
        return bool(uuid.UUID(value))
    with contextlib.suppress(ValueError):
        return bool(base64.b64decode(value, validate=True))
    return False
