"""Registered workflows: read, checked, and kept by name and version."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from psycopg.types.json import Jsonb

from comfywire.errors import InvalidParameter, UnreadableWorkflow, WorkflowError
from comfywire.service.database.pool import Database, execute, row
from comfywire.service.database.storable import is_same
from comfywire.service.sql import queries
from comfywire.service.time_limits import in_time
from comfywire.service.workflows.aliases import check_aliases, is_alias, keep_aliases
from comfywire.service.workflows.annotations import apart
from comfywire.service.workflows.records import BoundWorkflow, WorkflowRecord
from comfywire.workflow import Parameters, Workflow
from comfywire.workflow.parameters.setting import resolve_input
from comfywire.workflow.parameters.toml import parse_tables, to_tables

if TYPE_CHECKING:
    from comfywire.workflow.load import Source

__all__ = ["UnknownWorkflow", "Workflows", "class_types_of", "is_name"]

SQL = queries("workflows")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class UnknownWorkflow(WorkflowError):
    """No workflow of this name (and version) is registered."""

    code = "not_found"
    http_status = 404

    def __init__(self, name: str, version: int | None = None) -> None:
        self.name = name
        self.version = version
        which = f"{name!r}" if version is None else f"{name!r} of version {version}"
        super().__init__(
            f"no workflow {which} is registered: `comfywire workflows list` shows those that are"
        )


class Workflows:
    """The registered workflows of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self,
        name: str,
        source: Source,
        parameters: Parameters | Mapping[str, Any] | None = None,
        *,
        key_id: UUID,
        description: str = "",
        options: Mapping[str, Any] | None = None,
        document: Mapping[str, Any] | None = None,
        object_info: Mapping[str, Any] | None = None,
        aliases: Sequence[str] | None = None,
    ) -> WorkflowRecord:
        """Register a workflow; an equal workflow under the same name makes no new version.

        Args:
            name: Letters, digits, ``.``, ``_`` and ``-``, at most 64.
            source: A workflow in any form that :meth:`Workflow.load` reads.
            parameters: The parameters that callers may set, as such or as ``.params.toml`` has them; None
                drafts them. A file without a default is required, since no ComfyUI has the file that the
                workflow was saved with.
            key_id: The key that registers the workflow.
            description: For people.
            options: See :class:`WorkflowRecord`.
            document: The editor's document, for a source without one; the inputs and outputs that its
                author chose are the parameters that are drafted.
            object_info: A catalogue, which converts editor's documents with custom nodes.
            aliases: Other names for it, instead of those that it has; None leaves those.

        Raises:
            UnreadableWorkflow: The source holds no workflow.
            InvalidParameter: The name cannot be used, or a parameter does not fit the workflow.
            UnknownNode: A parameter names a node that the workflow does not have.
            AliasTaken: The name, or an alias, is another workflow's.
            TakesTooLong: The source took too long to be read.

        """
        _check_name(name)
        check_aliases(name, aliases or ())
        workflow, described = await in_time(
            lambda: _read(source, object_info, document, parameters), owner=key_id
        )
        options = dict(options or {})
        _check(workflow, described, options)
        kept_document = document or workflow.document
        plain, annotations = apart(to_tables(described))
        values = {
            "name": name,
            "key_id": key_id,
            "description": description,
            "prompt": Jsonb(workflow.prompt),
            "document": None if kept_document is None else Jsonb(dict(kept_document)),
            "parameters": Jsonb(plain),
            "annotations": Jsonb(annotations),
            "options": Jsonb(options),
        }
        async with self._database.transaction() as connection:
            await keep_aliases(connection, name, aliases)
            newest = await row(connection, SQL["get"], name=name, version=None)
            if newest is None or not _is_same(newest, values):
                await execute(connection, SQL["add"], **values)
            newest = await row(connection, SQL["get"], name=name, version=None)
        assert newest is not None
        return WorkflowRecord.of(newest, workflow.warnings)

    async def get(self, name: str, version: int | None = None) -> WorkflowRecord:
        """Return a version of a workflow that is not retired, the newest by default.

        Raises:
            UnknownWorkflow: No workflow of this name and version can be run.

        """
        stored = await self._database.one(SQL["get"], name=name, version=version) if is_name(name) else None
        if stored is None:
            raise UnknownWorkflow(name, version)
        return WorkflowRecord.of(stored)

    async def called(self, name: str) -> WorkflowRecord:
        """Return the newest version of the workflow that ``name`` is the name or an alias of.

        Raises:
            UnknownWorkflow: No workflow that can be run is called so.

        """
        stored = await self._database.one(SQL["called"], name=name) if is_alias(name) else None
        if stored is None:
            raise UnknownWorkflow(name[:100])
        return WorkflowRecord.of(stored)

    async def list(self) -> list[WorkflowRecord]:
        """Return the newest version of every workflow, by name."""
        return [WorkflowRecord.of(stored) for stored in await self._database.all(SQL["list"])]

    async def versions(self, name: str) -> Sequence[WorkflowRecord]:
        """Return every version of a workflow, retired ones too, the newest first.

        Raises:
            UnknownWorkflow: No workflow of this name was ever registered.

        """
        versions = await self._database.all(SQL["versions"], name=name) if is_name(name) else []
        if not versions:
            raise UnknownWorkflow(name)
        return [WorkflowRecord.of(version) for version in versions]

    async def retire(self, name: str, version: int | None = None) -> int:
        """Retire a workflow, or one version of it, which nobody can run then; return the number of versions.

        Jobs of the workflow run on. The numbers of retired versions are not used again.

        Raises:
            UnknownWorkflow: No version of this name can be run.

        """
        count = await self._database.do(SQL["retire"], name=name, version=version) if is_name(name) else 0
        if not count:
            raise UnknownWorkflow(name, version)
        await self._database.do(SQL["drop_aliases_of_retired"], name=name)
        return count

    async def bind(
        self, name: str, inputs: Mapping[str, Any], *, version: int | None = None
    ) -> BoundWorkflow:
        """Return the prompt of a workflow with ``inputs`` in it; see :meth:`WorkflowRecord.bind`.

        Raises:
            UnknownWorkflow: No workflow of this name and version can be run.
            InvalidParameter: An input does not fit its parameter.

        """
        return (await self.get(name, version)).bind(inputs)


def class_types_of(source: Mapping[str, Any]) -> set[str]:
    """Return the node types of a document, in API format or the editor's own."""
    definitions = source.get("definitions")
    subgraphs = definitions.get("subgraphs") if isinstance(definitions, Mapping) else None
    graphs = [source, *(subgraphs if isinstance(subgraphs, list) else ())]
    nodes = [
        *source.values(),
        *(
            node
            for graph in graphs
            if isinstance(graph, Mapping) and isinstance(graph.get("nodes"), list)
            for node in graph["nodes"]
        ),
    ]
    types = [node.get("class_type", node.get("type")) for node in nodes if isinstance(node, Mapping)]
    return {class_type for class_type in types if isinstance(class_type, str)}


def is_name(text: str) -> bool:
    """Whether ``text`` can be the name of a registered workflow."""
    return _NAME.fullmatch(text) is not None


def _check_name(name: str) -> None:
    if not is_name(name):
        raise InvalidParameter(
            f"{name[:80]!r} is no name for a workflow: use up to 64 letters, digits, '.', '_' and '-', "
            "a letter or digit first"
        )


def _read(
    source: Source,
    object_info: Mapping[str, Any] | None,
    document: Mapping[str, Any] | None,
    parameters: Parameters | Mapping[str, Any] | None,
) -> tuple[Workflow, Parameters]:
    workflow = Workflow.load(source, object_info)
    if document is not None and workflow.document is None:
        workflow = workflow.drawn_as(document)
    return workflow, _described(workflow, parameters)


def _described(workflow: Workflow, parameters: Parameters | Mapping[str, Any] | None) -> Parameters:
    is_drafted = parameters is None
    if parameters is None:
        parameters = workflow.parameters()
    described = parameters if isinstance(parameters, Parameters) else parse_tables(parameters)
    by_name = {
        parameter.name: replace(parameter, default=None, is_required=True)
        if parameter.is_file and (is_drafted or parameter.default is None)
        else parameter
        for parameter in described
    }
    return replace(described, by_name=by_name)


def _check(workflow: Workflow, parameters: Parameters, options: Mapping[str, Any]) -> None:
    """Check that every node which parameters and options name is there; jobs would fail later."""
    if not workflow.output_nodes:
        raise UnreadableWorkflow("the workflow has no node that saves or shows anything: nothing would run")
    for parameter in parameters:
        for target in parameter.inputs:
            resolve_input(workflow, target)
    parameters.select_outputs(workflow, list(parameters.outputs))
    parameters.select_outputs(workflow, list(options.get("outputs") or ()))
    for inputs in (options.get("qualities") or {}).values():
        for name, value in inputs.items():
            parameters[name].check(value)


def _is_same(stored: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    return all(
        is_same(stored[name], value.obj if isinstance(value, Jsonb) else value)
        for name, value in values.items()
        if name != "key_id"
    )
