"""A workflow made ready for one server: loaded, converted, its inputs set, its files uploaded, checked."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from comfywire.errors import InvalidParameter, UnknownNode, UnreadableWorkflow, WorkflowError
from comfywire.protocol.progress import required_nodes
from comfywire.protocol.tracked import sends_over_socket
from comfywire.workflow import Workflow
from comfywire.workflow.load import PackSource, Source, read_params

from .catalogue import Catalogue
from .downloads import Downloads
from .files.arrays import Array
from .results.outputs import Output
from .uploads import Upload, Uploads

if TYPE_CHECKING:
    from comfywire.workflow import Parameters

    from .given import GivenFiles

__all__ = [
    "OutputNames",
    "Ready",
    "Request",
    "WorkflowSource",
    "load",
    "names_in",
    "prepare",
    "read_parameters",
]

SEED_BITS = 64

WorkflowSource = Workflow | dict[str, Any] | str | Path | bytes
"""A workflow; or what :meth:`Workflow.load` takes: a dictionary, a path, JSON text, a file's bytes."""
OutputNames = str | int | Sequence[str | int]
"""What output nodes are chosen by: one name or several; a number is a node_id."""


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


@dataclass(frozen=True, slots=True)
class Request:
    """What is to run.

    Attributes:
        source: The workflow.
        inputs: Values by parameter or by ``NODE.INPUT``.
        settings: ``NODE.INPUT=VALUE`` each, as people type them.
        outputs: The only output nodes to run, by names; all if empty.
        targets: The same, by node_id.
        is_checked: Whether mistakes are looked for before it is sent.
        is_strict: Whether a conversion with warnings is refused.
        packs: The rules of node packs to convert by, beside those that are known.

    """

    source: WorkflowSource
    inputs: Mapping[str, Any] = field(default_factory=dict)
    settings: Sequence[str] = ()
    outputs: Sequence[str] = ()
    targets: Sequence[str] | None = None
    is_checked: bool = False
    is_strict: bool = False
    packs: Sequence[PackSource] = ()


def names_in(given: OutputNames, what: str) -> list[str]:
    """Return what a caller names nodes by: one or several texts; a number is a node_id."""
    several = [given] if isinstance(given, str | bytes) or not isinstance(given, Iterable) else list(given)
    for name in several:
        if isinstance(name, bool) or not isinstance(name, str | int):
            shown = f"{str(name)[:60]!r} ({type(name).__name__})"
            raise TypeError(f"{what} are names or ids of nodes, such as ['9'], not {shown}")
    return [str(name) for name in several]


@dataclass(frozen=True, slots=True)
class Ready:
    """What is sent.

    Attributes:
        workflow: With everything in it that was asked for.
        targets: The output nodes to run; None for all.
        inputs: What was set to what, seeds drawn, files as the server calls them.
        drawn: Which of them are seeds that were drawn for this run.
        warnings: What the caller should know, one sentence each.
        files: Those that were given.
        is_shared: Whether the workflow is the caller's own, who may change it at any time.

    """

    workflow: Workflow
    targets: list[str] | None = None
    inputs: dict[str, Any] = field(default_factory=dict)
    drawn: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    files: GivenFiles | None = None
    is_shared: bool = False

    @property
    def over_socket(self) -> list[str]:
        """The nodes to run whose pictures go to the socket of whoever submits it, and nowhere else."""
        prompt = self.workflow.prompt
        ran = required_nodes(prompt, self.targets)
        return [node_id for node_id, node in prompt.items() if node_id in ran and sends_over_socket(node)]

    async def renew(self) -> None:
        """Make sure of its files once more, before it is submitted again.

        Raises:
            InvalidParameter: One cannot be read any more.
            ConnectionFailed, ConnectionLost, ServerError: The server did not take one.

        """
        if self.files is not None:
            await self.files.renew()
            self.inputs.update(self.files.names)


async def prepare(server: Destination, request: Request) -> Ready:
    """Return the workflow with everything in it that was asked for.

    What the server said of its nodes, files and models is asked again before it is used against the caller.

    Raises:
        UnreadableWorkflow: The source holds none.
        UncertainWorkflow, UnusablePack: It cannot be converted as was asked.
        UnknownNode, InvalidParameter: A name or a value does not fit.
        InvalidWorkflow: The server would refuse it, or drop a part of it.
        ConnectionFailed, ConnectionLost, ServerError: The server was needed, and not reached.

    """
    was_empty = server.catalogue.is_empty
    try:
        return await _prepare(server, request, anew=False)
    except UnreadableWorkflow:
        raise
    except WorkflowError:
        if was_empty:
            raise
    return await _prepare(server, request, anew=True)


async def _prepare(server: Destination, request: Request, *, anew: bool) -> Ready:
    parameters = await read_parameters(request.source)
    is_edited = bool(request.inputs or request.settings or request.outputs) or parameters is not None
    workflow = await load(
        server,
        request.source,
        is_edited=is_edited,
        anew=anew,
        strict=request.is_strict,
        packs=request.packs,
    )
    ready = await _set(server, workflow, request, parameters)
    targets = None if request.targets is None else list(request.targets)
    if request.outputs:
        chosen = ready.workflow.parameters() if parameters is None else parameters
        targets = chosen.select_outputs(ready.workflow, list(request.outputs))
    if request.is_checked:
        from .validating import check  # noqa: PLC0415 - few have a workflow checked

        await check(server, ready.workflow, targets)
    return replace(ready, targets=targets) if targets is not None else ready


async def load(
    server: Destination,
    source: WorkflowSource,
    *,
    is_edited: bool,
    anew: bool = False,
    strict: bool = False,
    packs: Sequence[PackSource] = (),
) -> Workflow:
    """Return the workflow, read with as much of the server's catalogue as it takes.

    The editor's documents are converted by all of it; an API-format graph needs what it says about the
    graph's own nodes, and only if inputs are to be set: which take uploads, which are numbers.
    """
    if isinstance(source, Workflow):
        return source.described_by(await _types(server, source, anew=anew)) if is_edited else source
    try:
        workflow = await _read(source)
    except UnknownNode:
        return await _converted(server, source, anew=anew, strict=strict, packs=packs)
    if workflow.document is not None:
        return await _converted(server, source, anew=anew, strict=strict, packs=packs)
    if is_edited:
        return workflow.described_by(await _types(server, workflow, anew=anew))
    return workflow


async def _types(server: Destination, workflow: Workflow, *, anew: bool) -> dict[str, Any]:
    return await server.catalogue.of({node.class_type for node in workflow if node.class_type}, anew=anew)


async def _converted(
    server: Destination, source: Source, *, anew: bool, strict: bool, packs: Sequence[PackSource]
) -> Workflow:
    """Read the editor's document; a node type that is missing may have been installed since we asked."""
    was_empty = server.catalogue.is_empty
    try:
        return await _read(source, await server.catalogue.described(anew=anew), strict=strict, packs=packs)
    except UnknownNode:
        if anew or was_empty:
            raise
    return await _read(source, await server.catalogue.described(anew=True), strict=strict, packs=packs)


async def _read(
    source: Source,
    types: Mapping[str, Any] | None = None,
    *,
    strict: bool = False,
    packs: Sequence[PackSource] = (),
) -> Workflow:
    """Files are read, and the editor's documents converted, in a thread; a prompt is only copied."""
    if isinstance(source, Mapping) and not {"nodes", "workflow"} & source.keys():
        return Workflow.load(source, types)
    # The editor draws one of {a|b} each time that it queues (editor-format.md, par. 11).
    return await asyncio.to_thread(
        Workflow.load, source, types, choose=secrets.choice, strict=strict, packs=packs
    )


async def read_parameters(source: WorkflowSource) -> Parameters | None:
    """Return the parameters that stand in a ``.params.toml`` beside the workflow's file, if there is one."""
    return await asyncio.to_thread(read_params, source) if isinstance(source, str | os.PathLike) else None


async def _set(
    server: Destination, workflow: Workflow, request: Request, parameters: Parameters | None
) -> Ready:
    """Return ``workflow`` with the inputs set, and their files uploaded."""
    settings, drawn = _parse_settings(workflow, request.settings)
    if not request.inputs and not settings and parameters is None:
        return Ready(workflow, is_shared=workflow is request.source)
    from .given import GivenFiles  # noqa: PLC0415 - who sets nothing gives no files

    known: set[str] = set()
    inputs = {name: await _as_input(server, value, known) for name, value in request.inputs.items()}
    for name in inputs.keys() & settings.keys():
        raise InvalidParameter(f"{name!r} is given twice: give it once")
    bound = workflow.bind({**inputs, **settings}, parameters, new_seed=_Seeds().draw)
    files = GivenFiles(server, workflow, bound, known=known)
    # A draft's defaults are what stands in the workflow: nobody gave them.
    await files.settle([file for file in bound.files if file.is_given or parameters is not None])
    values = {**bound.values, **files.names}
    # A list or an object that was given stands in the workflow as it is, and is the caller's still.
    is_shared = any(isinstance(value, list | dict) for value in inputs.values())
    names = (*bound.drawn, *drawn)
    return Ready(bound.workflow, None, values, names, tuple(files.warnings), files, is_shared=is_shared)


class _Seeds:
    """Draws seeds, and counts them."""

    def __init__(self) -> None:
        self.count = 0

    def draw(self) -> int:
        self.count += 1
        return secrets.randbits(SEED_BITS)


def _parse_settings(workflow: Workflow, texts: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Return what was typed as values by NODE.INPUT, and which of them were drawn."""
    if not texts:
        return {}, []
    from comfywire.workflow import parse_setting  # noqa: PLC0415 - what the command line has

    found: dict[str, Any] = {}
    drawn: list[str] = []
    seeds = _Seeds()
    for text in texts:
        setting = parse_setting(workflow, text, new_seed=seeds.draw)
        if setting.name in found:
            raise InvalidParameter(f"{setting.name!r} is given twice: give it once")
        found[setting.name] = setting.value
        drawn += [setting.name] if seeds.count > len(drawn) else []
    return found, drawn


async def _as_input(server: Destination, value: Any, known: set[str]) -> Any:
    """What the server has already, an upload or an earlier result, goes by its name there."""
    value = getattr(value, "_output", value)  # what the blocking client's outputs stand for
    if isinstance(value, Output):
        if value.kind in ("text", "value"):
            return value.value
        if value.filename is None or not value.is_on(server.downloads):
            return await value.read()
        value = Upload(value.filename, value.subfolder, value.type)
    if isinstance(value, Upload):
        known.add(str(value))
        return str(value)
    if isinstance(value, Array) and value.shape == ():
        return value.item()  # a number of NumPy's
    return value
