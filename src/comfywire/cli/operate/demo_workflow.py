"""What ``comfywire serve --demo`` has beside its servers: a key, and a workflow to run."""

from __future__ import annotations

import asyncio
from importlib.resources import files
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from comfywire.service.access.keys import Access
    from comfywire.service.core import Core

__all__ = ["DEMO_WORKFLOW", "introduce_demo"]

DEMO_KEY = "demo"
DEMO_SCOPES = ("submit", "read", "admin")
DEMO_GRACE = 86400.0
"""Seconds for which the key of the start before still opens: somebody may have it in their environment."""
DEMO_WORKFLOW = "text_to_image.json"
DEMO_NAME = "text-to-image"
DEMO_DESCRIPTION = "A picture from words."


async def introduce_demo(core: Core) -> None:
    """Say what is special about the demo, and leave a workflow to try it with."""
    workflow = files("comfywire.cli").joinpath("workflows", DEMO_WORKFLOW).read_bytes()
    await asyncio.to_thread((core.settings.data / DEMO_WORKFLOW).write_bytes, workflow)
    click.echo(f"  A key: {await _demo_key(core.access)}")
    await _register_demo(core, workflow)
    if not core.settings.keys_required:
        click.echo(
            "  On this machine none is needed. Who uses it sees what was submitted with it, and no more."
        )
    click.echo("  Jobs run on two test servers, which simulate their models: pictures are placeholders.")


async def _register_demo(core: Core, workflow: bytes) -> None:
    """Register the demo's workflow, so that the page has something to run; what somebody retired stays so."""
    from comfywire.service.workflows.registered import UnknownWorkflow  # noqa: PLC0415

    try:
        await core.workflows.versions(DEMO_NAME)
    except UnknownWorkflow:
        owner = next(key for key in await core.access.list() if key.name == DEMO_KEY)
        await core.workflows.add(DEMO_NAME, workflow, key_id=owner.id, description=DEMO_DESCRIPTION)


async def _demo_key(access: Access) -> str:
    """Return a secret of the demo's one key: each start gives it another, and what was made with it stays."""
    ours = (DEMO_KEY, DEMO_SCOPES)
    known = [
        key
        for key in await access.list()
        if (key.name, key.scopes) == ours and key.revoked_at is None and key.expires_at is None
    ]
    if known:
        _, secret = await access.rotate(known[-1].id, grace=DEMO_GRACE)
    else:
        _, secret = await access.create(*ours)
    return secret
