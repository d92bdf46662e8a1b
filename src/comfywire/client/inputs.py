"""Setting a workflow's inputs by name, and uploading the files among them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from comfywire.workflow import Workflow
from comfywire.workflow.setting import Setting, parse_setting

if TYPE_CHECKING:
    from .client import Client

__all__ = ["apply_settings", "set_inputs"]


async def set_inputs(client: Client, workflow: Workflow, inputs: Mapping[str, Any]) -> Workflow:
    """Return ``workflow`` with ``{"NODE.INPUT": value}`` set, the original unchanged.

    Raises:
        UnknownNode, InvalidParameter: A name or a value does not fit.

    """
    if not inputs:
        return workflow
    ready = workflow.copy()
    for name, value in inputs.items():
        setting = parse_setting(ready, f"{name}=") if not isinstance(value, str) else None
        if setting is None:
            setting = parse_setting(ready, f"{name}={value}")
        else:
            setting = Setting(setting.node, setting.input, value)
        await _apply(client, setting)
    return ready


async def apply_settings(client: Client, workflow: Workflow, settings: list[str]) -> None:
    """Change ``workflow`` by each ``NODE.INPUT=VALUE``, in order; raises like :func:`set_inputs`."""
    for text in settings:
        await _apply(client, parse_setting(workflow, text))


async def _apply(client: Client, setting: Setting) -> None:
    if setting.upload is not None and await asyncio.to_thread(_is_file, setting.value):
        upload = await client.upload(setting.value)
        setting = Setting(setting.node, setting.input, str(upload))
    setting.apply()


def _is_file(value: Any) -> bool:
    if isinstance(value, bytes) or hasattr(value, "read"):
        return True
    try:
        return isinstance(value, str | Path) and Path(value).is_file()
    except (OSError, ValueError):
        return False
