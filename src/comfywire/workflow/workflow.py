"""The workflow that people hold: a prompt, where it came from, and ways to find and change its nodes."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from comfywire.errors import UnknownNode
from comfywire.workflow.load import read_workflow, subgraphs_of, write_prompt
from comfywire.workflow.nearest import did_you_mean

# What looks into nodes is imported where it is needed: who runs a graph as it is has no need of it, and all
# of it together took half the time of importing the client.

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from comfywire.workflow.drawing.graph import GraphForm
    from comfywire.workflow.load import PackSource, Source
    from comfywire.workflow.node import Node
    from comfywire.workflow.object_info import ObjectInfo
    from comfywire.workflow.parameters.bind import FileInput
    from comfywire.workflow.parameters.parameters import Parameters
    from comfywire.workflow.subgraph import Subgraph
    from comfywire.workflow.validation.problems import Problem

__all__ = ["Bound", "Workflow"]


class Workflow:
    """A workflow in API format, with its nodes by id, title or class_type.

    ``workflow["KSampler"].seed = 42`` changes the prompt in place; :meth:`copy` first to keep the original.

    Attributes:
        prompt: The API-format graph, ``{node_id: {"class_type": ..., "inputs": {...}}}``: the live one.
        document: The editor's own JSON, when there was one. It is what saved pictures carry beside the
            prompt, so that the editor can open them; changes to the prompt do not change it.
        warnings: What was noticed while loading, one sentence each.
        subgraphs: The instances of subgraphs that the document has, by id.

    """

    def __init__(
        self,
        prompt: dict[str, dict[str, Any]],
        *,
        document: dict[str, Any] | None = None,
        warnings: Sequence[str] = (),
        object_info: Mapping[str, Any] | None = None,
        subgraphs: Sequence[Subgraph] = (),
    ) -> None:
        _must_be_graph(prompt)
        self.prompt = prompt
        self.document = document
        self.warnings = tuple(warnings)
        self._object_info = _parse(object_info)
        self.subgraphs: Mapping[str, Subgraph] = {subgraph.id: subgraph for subgraph in subgraphs}

    @classmethod
    def load(
        cls,
        source: Source,
        object_info: Mapping[str, Any] | None = None,
        *,
        choose: Callable[[Sequence[Any]], Any] | None = None,
        strict: bool = False,
        packs: Sequence[PackSource] = (),
    ) -> Self:
        """Return the workflow that ``source`` is or holds, recognised by its content.

        Args:
            source: A path; JSON as text, bytes or a dictionary (API format, or the editor's own, which is
                converted); the bytes of, or an open binary file with, anything that ComfyUI saved with the
                workflow inside: pictures, videos, sound, latents, models. Dictionaries are copied.
            object_info: The server's catalogue, for converting and for names of inputs and outputs; without
                it the one that ships with Comfywire: the nodes of ComfyUI itself.
            choose: Picks one of the options of a dynamic prompt, ``{a|b}``, as ``random.choice`` does, and as
                the client has it done; None takes the first.
            strict: Refuse a conversion that has warnings, instead of keeping them in ``warnings``.
            packs: What node packs' JavaScript does, beside the packs that Comfywire knows and those of
                installed packages (entry point ``comfywire.packs``): a :class:`comfywire.workflow.Pack`
                each, or the path of a Python file that has one as ``PACK``. The file is run.

        Raises:
            UnreadableWorkflow: This is no workflow and holds none, or it cannot be read at all; the
                message says what it looks like and what to do.
            UncertainWorkflow: There are warnings, and ``strict`` refuses them.
            UnusablePack: A file among ``packs`` cannot be loaded.

        """
        catalogue = _parse(object_info)
        loaded = read_workflow(source, catalogue, choose, strict=strict, packs=packs)
        return cls(
            loaded.prompt,
            document=loaded.document,
            warnings=loaded.warnings,
            object_info=catalogue,
            subgraphs=loaded.subgraphs,
        )

    def save(self, path: Any) -> None:
        """Write the prompt to ``path`` as API-format JSON.

        Raises:
            OSError: It cannot be written.

        """
        write_prompt(path, self.prompt)

    def copy(self) -> Self:
        """Return an independent copy."""
        return self._with(copy.deepcopy(self.prompt))

    def described_by(self, object_info: Mapping[str, Any]) -> Self:
        """Return a copy that goes by this catalogue of node types."""
        return type(self)(
            copy.deepcopy(self.prompt),
            document=self.document,
            warnings=self.warnings,
            object_info=object_info,
            subgraphs=tuple(self.subgraphs.values()),
        )

    def drawn_as(self, document: Mapping[str, Any]) -> Self:
        """Return a copy with the editor's document that the prompt came from."""
        return type(self)(
            copy.deepcopy(self.prompt),
            document=dict(document),
            warnings=self.warnings,
            object_info=self._object_info,
            subgraphs=subgraphs_of(document, self._object_info),
        )

    def _with(self, prompt: dict[str, dict[str, Any]]) -> Self:
        return type(self)(
            prompt,
            document=self.document,
            warnings=self.warnings,
            object_info=self._object_info,
            subgraphs=tuple(self.subgraphs.values()),
        )

    @property
    def object_info(self) -> ObjectInfo:
        """The catalogue of node types in use: the one given to :meth:`load`, or the packaged one."""
        if self._object_info is not None:
            return self._object_info
        from comfywire.workflow.catalogues.packaged import packaged  # noqa: PLC0415

        return packaged()

    @property
    def nodes(self) -> list[Node]:
        """All nodes, in the prompt's order."""
        return [self._node(node_id) for node_id in self.prompt]

    @property
    def output_nodes(self) -> list[Node]:
        """The nodes that make the server run: saving, previewing.

        A node whose type is not in ``object_info`` counts when nothing is linked to it: that is how output
        nodes look, though not only they.
        """
        from comfywire.workflow.node import is_link  # noqa: PLC0415

        used = {value[0] for node in self.nodes for value in node.inputs.values() if is_link(value)}
        return [
            node
            for node in self.nodes
            if (node.id not in used if node.definition is None else node.definition.is_output_node)
        ]

    def validate(
        self,
        object_info: Mapping[str, Any] | None = None,
        *,
        version: str | None = None,
        targets: Collection[str] | None = None,
        has_file: Callable[[str], bool] | None = None,
    ) -> list[Problem]:
        """Return what the server would refuse, drop or ignore, as a :class:`Problem` each.

        Args:
            object_info: The server's catalogue; None for the workflow's own.
            version: The server's, such as ``0.3.64``; None tells it by ``object_info``.
            targets: The output nodes to run; None for all.
            has_file: Says whether the server has an input file of this name.

        """
        from comfywire.workflow.validation.validate import validate  # noqa: PLC0415

        catalogue = _parse(object_info) or self.object_info
        return validate(self.prompt, catalogue, version=version, targets=targets, has_file=has_file)

    def graph(self, form: GraphForm = "text") -> str:
        """Return the graph to look at: as ``text``, as ``mermaid`` for Markdown, or as ``svg``.

        Notebooks show the last by themselves.

        Raises:
            ValueError: There is no such form.

        """
        from comfywire.workflow.drawing.graph import draw  # noqa: PLC0415 - few look at it

        return draw(self, form)

    def _repr_svg_(self) -> str:
        return self.graph("svg")

    def parameters(self) -> Parameters:
        """Return what callers will want to set.

        It is what titles of nodes declare; else the inputs and outputs that the author chose in the editor
        (App mode), in their order; else what suggests itself.
        """
        from comfywire.workflow.parameters.draft import draft  # noqa: PLC0415

        return draft(self)

    def bind(
        self,
        values: Mapping[str, Any],
        parameters: Parameters | None = None,
        *,
        new_seed: Callable[[], int] | None = None,
    ) -> Bound:
        """Return a copy with ``values`` in it, and the files to upload before it can run.

        Args:
            values: By parameter, or by ``NODE.INPUT``.
            parameters: What may be set; None drafts them.
            new_seed: Draws a seed wherever one is ``"random"``.

        Raises:
            InvalidParameter: A name is unknown, a value not allowed, or one that is required is missing.
            UnknownNode: A parameter names a node that this workflow does not have.

        """
        from comfywire.workflow.parameters.bind import bind  # noqa: PLC0415

        settable = self.parameters() if parameters is None else parameters
        return Bound(*bind(self, settable, values, new_seed=new_seed))

    @property
    def names(self) -> dict[str, list[str]]:
        """What nodes can be called by, with the ids of those that can: ids, titles and class_types.

        Subgraphs of an editor's document are among them, by id and title; a node's own names come first.
        """
        places: dict[str, list[str]] = {}
        for node in self.nodes:
            for label in dict.fromkeys((node.title, node.class_type)):
                places.setdefault(label, []).append(node.id)
        for subgraph in self.subgraphs.values():
            if not any(node_id in self.prompt for node_id in places.get(subgraph.title, ())):
                places.setdefault(subgraph.title, []).append(subgraph.id)
        return {**places, **{node_id: [node_id] for node_id in (*self.subgraphs, *self.prompt)}}

    def find(self, *, class_type: str | None = None, title: str | None = None) -> list[Node]:
        """Return the nodes that have this class_type and this title, whichever is given; none is no error."""
        return [
            node
            for node in self.nodes
            if class_type in (None, node.class_type) and title in (None, node.title)
        ]

    def without(self, node: Node | str) -> Self:
        """Return a copy without ``node`` (or the node of that name), and without the links to its outputs.

        Inputs that lose their link are left out; :meth:`validate` names those that the server requires.

        Raises:
            UnknownNode: It is not in this workflow.

        """
        from comfywire.workflow.node import is_link  # noqa: PLC0415

        gone = self[node if isinstance(node, str) else node.id].id
        rest = copy.deepcopy({node_id: entry for node_id, entry in self.prompt.items() if node_id != gone})
        smaller = self._with(rest)
        for other in smaller.nodes:
            for name in [name for name, value in other.inputs.items() if is_link(value) and value[0] == gone]:
                del other.inputs[name]
        return smaller

    def __getitem__(self, name: str | int) -> Node:
        """Return the node with this id, or else the only one with this title or class_type.

        Raises:
            UnknownNode: There is none, or several; the message says where near matches stand.

        """
        if str(name) in self.prompt:
            return self._node(str(name))
        places = self.names
        ids = places.get(str(name), [])
        if len(ids) == 1:
            return self._node(ids[0])
        if not ids:
            raise UnknownNode(f"the workflow has no node {str(name)!r}{self._near(str(name), places)}")
        nodes = ", ".join(str(self._node(node_id)) for node_id in ids[:8]) + (", ..." if len(ids) > 8 else "")
        raise UnknownNode(f"{name!r} stands {len(ids)} times: {nodes}; name one by its id or title")

    def __contains__(self, name: object) -> bool:
        """Whether a node has this id, title or class_type."""
        return isinstance(name, str | int) and str(name) in self.names

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.prompt)

    def __repr__(self) -> str:
        source = "" if self.document is None else ", with the editor's document"
        return f"<Workflow: {len(self)} nodes{source}>"

    def _node(self, node_id: str) -> Node:
        from comfywire.workflow.node import Node  # noqa: PLC0415
        from comfywire.workflow.subgraph_node import SubgraphNode  # noqa: PLC0415

        if node_id not in self.prompt and node_id in self.subgraphs:
            return SubgraphNode(self.prompt, self.subgraphs[node_id], self._node)
        class_type = self.prompt[node_id].get("class_type")
        definition = self.object_info.get(class_type) if isinstance(class_type, str) else None
        return Node(self.prompt, node_id, definition)

    def _near(self, name: str, places: dict[str, list[str]]) -> str:
        hint = did_you_mean(name, (label for label in places if label not in self.prompt))
        for label, ids in places.items():
            hint = hint.replace(repr(label), f"{label!r} (node {', '.join(ids[:5])})", 1)
        if hint:
            return hint
        shown = ", ".join(f"{node.id} {node.title!r}" for node in self.nodes[:12])
        return f"; its nodes are {shown}" + (", ..." if len(self) > 12 else "")


@dataclass(frozen=True, slots=True)
class Bound:
    """A workflow with a caller's values in it.

    Attributes:
        workflow: A copy; the original is as it was.
        files: What to upload first. :meth:`place` then writes the server's name into the workflow.
        values: What everything was set to, seeds drawn, by the names that the caller used.
        drawn: The names of the seeds that were drawn.

    """

    workflow: Workflow
    files: tuple[FileInput, ...]
    values: Mapping[str, Any]
    drawn: tuple[str, ...] = ()

    def place(self, file: FileInput, name: str) -> None:
        """Write ``name``, under which the server has ``file`` now, into the workflow."""
        for node_id, input_name in file.inputs:
            self.workflow[node_id][input_name] = name


def _must_be_graph(prompt: object) -> None:
    """A path is read by :meth:`Workflow.load`; taken for a graph, it has a node for each of its letters."""
    if not isinstance(prompt, dict):
        raise TypeError(
            f"Workflow(...) takes a graph in API format, not a {type(prompt).__name__} such as "
            f"{str(prompt)[:60]!r}: Workflow.load(...) reads paths, JSON text and files"
        )
    if isinstance(prompt.get("nodes"), list):
        raise TypeError(
            "Workflow(...) takes a graph in API format, and this is the editor's document: "
            "Workflow.load(...) converts it"
        )


def _parse(object_info: Mapping[str, Any] | None) -> ObjectInfo | None:
    if object_info is None:
        return None
    from comfywire.workflow.object_info import ObjectInfo  # noqa: PLC0415

    return ObjectInfo.of(object_info)
