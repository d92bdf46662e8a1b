"""A workflow made ready for one server: loaded, converted, its inputs set, its files uploaded, checked."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from comfywire.errors import InvalidWorkflow, UnknownNode
from comfywire.workflow import Bound, Effect, Parameters, Setting, Workflow, parse_setting
from comfywire.workflow.load import Source, read_params

from .catalogue import Catalogue
from .downloads import Downloads
from .results.outputs import Output
from .uploads import Upload, Uploads

__all__ = ["WorkflowSource", "apply_settings", "bind_inputs", "check", "load", "read_parameters"]

SEED_BITS = 64

WorkflowSource = Workflow | dict[str, Any] | str | Path | bytes
"""A workflow; or what :meth:`Workflow.load` takes: a dictionary, a path, JSON text, a file's bytes."""


class Destination(Protocol):
    """What preparing asks of the server that a workflow is for; :class:`~comfywire.Client` has it."""

    @property
    def catalogue(self) -> Catalogue:
        """Its node types."""

    @property
    def uploads(self) -> Uploads:
        """Files on their way to it."""

    @property
    def downloads(self) -> Downloads:
        """Files on their way from it."""


async def load(server: Destination, source: WorkflowSource, *, is_edited: bool) -> Workflow:
    """Return the workflow, read with as much of the server's catalogue as it takes.

    The editor's documents are converted by all of it; an API-format file needs what it says about the
    file's own nodes, and only if inputs are to be set: which take uploads, which are numbers.
    """
    if isinstance(source, Workflow):
        return source
    try:
        workflow = await _read(source)
    except UnknownNode:
        return await _read(source, await server.catalogue.whole())
    if workflow.document is not None:
        return await _read(source, await server.catalogue.whole())
    if is_edited:
        types = await server.catalogue.of({node.class_type for node in workflow if node.class_type})
        return await _read(source, types)
    return workflow


async def _read(source: Source, types: Mapping[str, Any] | None = None) -> Workflow:
    """Files are read, and the editor's documents converted, in a thread; a prompt is only copied."""
    if isinstance(source, Mapping) and not {"nodes", "workflow"} & source.keys():
        return Workflow.load(source, types)
    # The editor draws one of {a|b} each time that it queues (editor-format.md, par. 11).
    return await asyncio.to_thread(Workflow.load, source, types, choose=secrets.choice)


async def read_parameters(source: WorkflowSource) -> Parameters | None:
    """Return the parameters that stand in a ``.params.toml`` beside the workflow's file, if there is one."""
    return await asyncio.to_thread(read_params, source) if isinstance(source, str | os.PathLike) else None


async def bind_inputs(
    server: Destination, workflow: Workflow, inputs: Mapping[str, Any], parameters: Parameters | None
) -> Workflow:
    """Return ``workflow`` with ``inputs`` set by parameter or by NODE.INPUT, and their files uploaded.

    Raises:
        UnknownNode, InvalidParameter: A name or a value does not fit.

    """
    if not inputs and parameters is None:
        return workflow
    inputs = {name: await _as_input(server, value) for name, value in inputs.items()}
    bound = workflow.bind(inputs, parameters, new_seed=_new_seed)
    await _upload_files(server, bound)
    return bound.workflow


def _new_seed() -> int:
    return secrets.randbits(SEED_BITS)


async def _as_input(server: Destination, value: Any) -> Any:
    """What the server has already, an upload or an earlier result, goes by its name there."""
    if isinstance(value, Upload):
        return str(value)
    value = getattr(value, "_output", value)  # what the blocking client's outputs stand for
    if not isinstance(value, Output):
        return value
    if value.kind in ("text", "value"):
        return value.value
    if value.filename is not None and value.is_on(server.downloads):
        return str(Upload(value.filename, value.subfolder, value.type))
    return await value.read()


async def _upload_files(server: Destination, bound: Bound) -> None:
    for file in bound.files:
        if await asyncio.to_thread(_is_local, file.source):
            bound.place(file, str(await server.uploads.upload_once(file.source)))


async def apply_settings(server: Destination, workflow: Workflow, settings: list[str]) -> None:
    """Change ``workflow`` by each ``NODE.INPUT=VALUE``, in order; files that exist are uploaded.

    Raises:
        UnknownNode, InvalidParameter: A setting does not fit.

    """
    for text in settings:
        setting = parse_setting(workflow, text, new_seed=_new_seed)
        if setting.upload is not None and await asyncio.to_thread(_is_local, setting.value):
            upload = await server.uploads.upload_once(setting.value)
            setting = Setting(setting.node, setting.input, str(upload))
        setting.apply()


async def check(server: Destination, workflow: Workflow, targets: list[str] | None) -> None:
    """Raise what the server would refuse, and what it would silently drop.

    Raises:
        InvalidWorkflow: With every problem in words.

    """
    types = await server.catalogue.of({node.class_type for node in workflow if node.class_type})
    problems = [
        problem
        for problem in workflow.validate(types, targets=targets)
        if problem.effect is not Effect.IGNORED
        # The server's lists were read before these were uploaded.
        and not (isinstance(problem.value, str) and problem.value in server.uploads.names)
    ]
    if problems:
        raise InvalidWorkflow(problems)


def _is_local(source: Any) -> bool:
    """Whether a value is a file of ours; else it is the name of one that the server has."""
    if not isinstance(source, str | os.PathLike):
        return True
    try:
        return Path(source).is_file()
    except (OSError, ValueError):
        return False
