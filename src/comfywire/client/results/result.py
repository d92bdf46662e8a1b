"""How a prompt that ended well came out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from comfywire.client.saving import Place
from comfywire.errors import OutputsMissing, UnknownNode

from .notebook import html_of
from .outputs import Output
from .templates import is_template, named

__all__ = ["Outputs", "Result", "select"]

Value = TypeVar("Value")


class Outputs(list[Value]):
    """A list of outputs, which a notebook shows as pictures."""

    def _repr_html_(self) -> str:
        shown: list[Any] = [getattr(output, "_output", output) for output in self]
        return html_of(shown)


@dataclass(frozen=True, slots=True)
class Result:
    """How a prompt that ended well came out; iterating it, and ``len``, are those of its outputs.

    Attributes:
        prompt_id: Which prompt.
        outputs: Every output of every output node, in the order of the graph's nodes.
        warnings: What the caller should know: outputs that the server's validator dropped, pictures that
            were lost with the socket, a file of the server's own that was used. One sentence each.
        missing: Those of the warnings that say what was asked for and did not come.
        prompt: The graph that ran, in API format.
        inputs: What was set to what, by the names that the caller used: values given, defaults, seeds that
            were drawn, and files as the server calls them. Empty where nothing was set.

    """

    prompt_id: str
    outputs: Outputs[Output]
    warnings: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    prompt: Mapping[str, Any] = field(default_factory=dict, repr=False)
    inputs: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.outputs)

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Output]:
        return iter(self.outputs)

    def of(self, node: str) -> Outputs[Output]:
        """Return the outputs of one node, by its id, its title or its class_type.

        Of several nodes with that title or class_type it is the outputs of all of them. Nodes that this one
        expanded into count as itself.

        Raises:
            UnknownNode: The prompt has no such node.
            OutputsMissing: It has made nothing.

        """
        return select(self, self.outputs, node)

    def must_be_whole(self) -> None:
        """Raise if something was asked for and did not come.

        Raises:
            OutputsMissing: With a sentence for each; ``outputs`` has what did come.

        """
        if self.missing:
            what = f"prompt {self.prompt_id} did not make all that was asked for: {'; '.join(self.missing)}"
            raise OutputsMissing(what, prompt_id=self.prompt_id, outputs=self.outputs)

    @property
    def images(self) -> Outputs[Output]:
        """The outputs that are pictures, moving ones too."""
        return Outputs(output for output in self.outputs if output.kind in ("image", "animation"))

    @property
    def texts(self) -> Outputs[Output]:
        """The outputs that are texts; what they say is in ``.value``, unless they are text files."""
        return Outputs(output for output in self.outputs if output.kind == "text")

    @property
    def files(self) -> Outputs[Output]:
        """The outputs that are files, or pictures that came over the socket."""
        return Outputs(output for output in self.outputs if output.filename is not None)

    async def save(self, folder: str | Path) -> list[Path]:
        """Save every file, picture and text below ``folder``; return the paths, in the order of the outputs.

        ``folder`` may also be a template such as ``"out/{prompt_id}_{node}_{n}{ext}"``. Its fields are
        ``prompt_id``, ``node`` (the id), ``class_type``, ``key``, ``kind``, ``name`` (the server's, without
        suffix), ``n`` (which of the node's outputs, from 1) and ``ext`` (with the dot). A name that is taken
        is numbered. Raises like :meth:`Output.read`; what was saved before stays.
        """
        kept = [output for output in self.outputs if output.has_bytes]
        if not is_template(folder):
            return [await output.save_in(Path(folder)) for output in kept]
        places = named(folder, kept, self.prompt_id)
        return [
            await output.save_at(Place(path.parent, path.name, is_folder=True)) for output, path in places
        ]

    def _repr_html_(self) -> str:
        return html_of(self.outputs)


def select(result: Result, outputs: list[Value], node: str) -> Outputs[Value]:
    """Return those of ``outputs``, one for each of the result's, that ``node`` means: :meth:`Result.of`."""
    ids = _ids(result, node)
    found = Outputs(
        wanted
        for wanted, output in zip(outputs, result.outputs, strict=True)
        if any(_is_of(output.node_id, one, result) for one in ids)
    )
    if not found:
        named_node = " and ".join(_named(result, one) for one in ids)
        raise OutputsMissing(
            f"{named_node} made nothing in prompt {result.prompt_id}",
            prompt_id=result.prompt_id,
            outputs=result.outputs,
        )
    return found


def _is_of(node_id: str, wanted: str, result: Result) -> bool:
    """Whether a node is the wanted one or inside it: 12:3 of a subgraph 12, 10.0.0.1 of an expanded node 10.

    Expanded nodes (graph_utils.py, 0.3.64) are no nodes of the prompt, which may have dots in its own ids.
    """
    is_expanded = node_id.startswith(f"{wanted}.") and node_id not in result.prompt
    return node_id == wanted or node_id.startswith(f"{wanted}:") or is_expanded


def _ids(result: Result, node: str) -> list[str]:
    """The ids that a name means: an id itself, else every node of that title, else of that class_type."""
    known = {**result.prompt, **{output.node_id: None for output in result.outputs}}
    if node in known or any(_is_of(one, node, result) for one in known):
        return [node]
    for names in ({one: _title(entry) for one, entry in result.prompt.items()}, _types(result)):
        if found := [one for one, name in names.items() if name == node]:
            return found
    made = sorted({f"{output.node_id} ({output.class_type})" for output in result.outputs})
    raise UnknownNode(
        f"prompt {result.prompt_id} has no node {node!r}; these made something: {', '.join(made) or 'none'}"
    )


def _types(result: Result) -> dict[str, str | None]:
    return {output.node_id: output.class_type for output in result.outputs} | {
        one: entry.get("class_type") for one, entry in result.prompt.items() if isinstance(entry, dict)
    }


def _title(entry: object) -> str | None:
    meta = entry.get("_meta") if isinstance(entry, dict) else None
    title = meta.get("title") if isinstance(meta, dict) else None
    return title if isinstance(title, str) else None


def _named(result: Result, node_id: str) -> str:
    class_type = _types(result).get(node_id)
    return f"node {node_id} ({class_type})" if class_type else f"node {node_id}"
