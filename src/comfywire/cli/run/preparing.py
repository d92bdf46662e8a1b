"""A workflow ready to be submitted: loaded, converted for this server, its inputs set, its files uploaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from comfywire.client import Client
from comfywire.client.preparing import apply_settings, bind_inputs, check, load, read_parameters
from comfywire.workflow import Workflow

__all__ = ["Ready", "Request", "prepare"]


@dataclass(frozen=True, slots=True)
class Request:
    """What is to run.

    Attributes:
        source: A path, or what came from standard input.
        settings: ``NODE.INPUT=VALUE``, each.
        values: By the name of a parameter.
        outputs: The only ones to run; all if empty.
        is_checked: Whether mistakes are looked for before it is sent.

    """

    source: str | bytes
    settings: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    is_checked: bool = False


@dataclass(frozen=True, slots=True)
class Ready:
    """What is sent."""

    workflow: Workflow
    targets: list[str] | None


async def prepare(client: Client, request: Request) -> Ready:
    """Return the workflow with everything in it that was asked for.

    Raises:
        UnreadableWorkflow: The source holds none.
        UnknownNode, InvalidParameter: A setting does not fit.
        InvalidWorkflow: The server would refuse it, or drop a part of it.
        ConnectionFailed, ConnectionLost, ServerError: The server was needed, and not reached.

    """
    is_edited = bool(request.settings or request.values or request.outputs)
    workflow = await load(client, request.source, is_edited=is_edited)
    parameters = await read_parameters(request.source)
    workflow = await bind_inputs(client, workflow, request.values, parameters)
    await apply_settings(client, workflow, list(request.settings))
    targets = None
    if request.outputs:
        targets = (parameters or workflow.parameters()).select_outputs(workflow, request.outputs)
    if request.is_checked:
        await check(client, workflow, targets)
    return Ready(workflow, targets)
