"""App mode: the inputs and outputs that a workflow's author chose in ComfyUI's editor.

The file keeps them in ``extra.linearData``: ``inputs``, ``[[id, widget, {"description": ...}?], ...]``, and
``outputs``, ids of nodes. What the ids mean was seen in the page of front ends 1.49.6 and 1.58.1; picks that
mean nothing there mean nothing here. ``extra.linearMode`` says only whether the editor opens in App mode.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from comfywire.workflow.node import is_link

if TYPE_CHECKING:
    from comfywire.workflow.workflow_like import WorkflowLike

__all__ = ["Pick", "opens_in_app_mode", "picked_inputs", "picked_outputs"]

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Pick:
    """An input that the author chose.

    Attributes:
        widget: The widget's name in the editor.
        label: What the form calls it.
        help: What stands under it.
        places: The inputs of the prompt that it sets, as (node_id, input).

    """

    widget: str
    label: str
    help: str
    places: tuple[tuple[str, str], ...]


class _Drawn:
    """A workflow with its document, looked through once for all picks.

    Attributes:
        workflow: The workflow.
        nodes: The document's nodes by id; of several with one id the first.
        slots: Their inputs by (node_id, name).
        fed: By the id of a link, the inputs that it feeds, as (node_id, input).
        shown: By (node_id, input) of a node in a subgraph, the widgets that show it, as (instance, widget).
        resolved: What picks mean that were looked up, by what they say.
        driven: What PrimitiveNodes that were looked up write into, by id.

    """

    def __init__(self, workflow: WorkflowLike) -> None:
        self.workflow = workflow
        self.nodes: dict[str, Mapping[str, Any]] = {}
        self.slots: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        self.fed: dict[int | str, list[tuple[str, str]]] = {}
        self.shown: dict[tuple[str, str], list[tuple[str, str]]] = {}
        self.resolved: dict[tuple[str, Any], Pick | None] = {}
        self.driven: dict[str, tuple[tuple[str, str], ...]] = {}
        for node in _saved_nodes(workflow):
            node_id = str(node.get("id"))
            is_first = self.nodes.setdefault(node_id, node) is node
            for slot in _slots(node):
                if is_first:
                    self.slots.setdefault((node_id, slot["name"]), []).append(slot)
                if isinstance(slot.get("link"), int | str):
                    self.fed.setdefault(slot["link"], []).append((node_id, slot["name"]))
        for instance in workflow.subgraphs.values():
            for name, widget in instance.widgets.items():
                self.shown.setdefault(widget.source, []).append((instance.id, name))


def picked_inputs(workflow: WorkflowLike) -> list[Pick]:
    """Return the author's inputs in their order, each once; none where the editor's page draws no form."""
    chosen = _chosen(workflow)
    inputs = chosen.get("inputs")
    has_form = any(map(_id_of, _listed(chosen.get("outputs"))))
    if not has_form or not isinstance(inputs, list):
        return []
    found: dict[tuple[tuple[str, str], ...], Pick] = {}
    drawn = _Drawn(workflow)
    for given in inputs:
        pick = _looked_up(drawn, given) if isinstance(given, list) else None
        if pick is not None:
            found.setdefault(pick.places, _described(pick, given))
    return [*found.values()]


def picked_outputs(workflow: WorkflowLike) -> list[str]:
    """Return the ids of the author's outputs in their order, each once: those that save or show something."""
    ids = map(_id_of, _listed(_chosen(workflow).get("outputs")))
    known = {node.id for node in workflow.output_nodes}
    return [node_id for node_id in dict.fromkeys(ids) if node_id in known]


def opens_in_app_mode(workflow: WorkflowLike) -> bool:
    """Whether the editor opens the file as an app: only if ``linearMode`` is true, whatever its name."""
    return _extra(workflow).get("linearMode") is True


def _extra(workflow: WorkflowLike) -> Mapping[str, Any]:
    extra = (workflow.document or {}).get("extra")
    return extra if isinstance(extra, dict) else {}


def _chosen(workflow: WorkflowLike) -> Mapping[str, Any]:
    chosen = _extra(workflow).get("linearData")
    return chosen if isinstance(chosen, dict) else {}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _id_of(given: Any) -> str:
    """Return an id as text, "" for what is none: the page takes whole numbers and texts."""
    if isinstance(given, float) and given.is_integer():
        given = int(given)
    return str(given) if isinstance(given, str | int) and not isinstance(given, bool) else ""


def _looked_up(drawn: _Drawn, given: list[Any]) -> Pick | None:
    """Return what a pick means; one that is repeated costs nothing, however much it drives."""
    node_id, name = _id_of(given[0] if given else None), given[1] if len(given) > 1 else None
    said = node_id, name if isinstance(name, str) else None
    if said not in drawn.resolved:
        drawn.resolved[said] = _resolved(drawn, *said)
    return drawn.resolved[said]


def _resolved(drawn: _Drawn, node_id: str, name: str | None) -> Pick | None:
    """Return what a pick means, or None where it means nothing or nothing that can be set."""
    parts = node_id.split(":")
    if len(parts) == 3 and all(parts):
        return _of_root(drawn, unquote(parts[1]), unquote(parts[2]))
    if name is None or not node_id:
        return None
    if len(parts) == 1:
        return _of_root(drawn, node_id, name) or _of_inner(drawn, node_id, name)
    is_inner = len(parts) == 2 and _UUID.fullmatch(parts[0])
    return _of_instance(drawn, parts[1], name) if is_inner else None


def _described(pick: Pick, given: list[Any]) -> Pick:
    config = given[2] if len(given) > 2 else None
    words = config.get("description") if isinstance(config, dict) else None
    return Pick(pick.widget, pick.label, words if isinstance(words, str) else "", pick.places)


def _of_root(drawn: _Drawn, node_id: str, name: str) -> Pick | None:
    """A widget of a node of the root graph: a plain one, an instance of a subgraph, or a PrimitiveNode."""
    if ":" in node_id:
        return None
    if node_id not in drawn.workflow.prompt:
        return _of_instance(drawn, node_id, name) or _of_primitive(drawn, node_id, name)
    places = _there(drawn.workflow, ((node_id, name),))
    if not places or drawn.workflow[node_id].definition is None or _is_linked(drawn, node_id, name):
        return None
    return Pick(name, _label(drawn, node_id, name), "", places)


def _of_instance(drawn: _Drawn, node_id: str, name: str) -> Pick | None:
    instance = drawn.workflow.subgraphs.get(node_id)
    widget = None if instance is None else instance.widgets.get(name)
    places = () if widget is None else _there(drawn.workflow, widget.places)
    return Pick(name, widget.label, "", places) if widget is not None and places else None


def _of_inner(drawn: _Drawn, node_id: str, name: str) -> Pick | None:
    """A widget of a node inside of subgraphs, if just one instance shows it."""
    shown = drawn.shown.get((node_id, name), [])
    return _of_instance(drawn, *shown[0]) if len(shown) == 1 else None


def _of_primitive(drawn: _Drawn, node_id: str, name: str) -> Pick | None:
    """A PrimitiveNode's widget, which is called ``value``, or like the combo that it writes into."""
    saved = drawn.nodes.get(node_id, {})
    if saved.get("type") != "PrimitiveNode" or saved.get("mode", 0) != 0:
        return None
    if node_id not in drawn.driven:
        drawn.driven[node_id] = _there(drawn.workflow, tuple(_targets(drawn, saved)))
    places = drawn.driven[node_id]
    if not places or name not in ("value", places[0][1]):
        return None
    return Pick(name, _label(drawn, node_id, name), "", places)


def _targets(drawn: _Drawn, primitive: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    outputs = _listed(primitive.get("outputs"))
    links = outputs[0].get("links") if outputs and isinstance(outputs[0], dict) else None
    for link_id in dict.fromkeys(each for each in _listed(links) if isinstance(each, int | str)):
        yield from drawn.fed.get(link_id, ())


def _there(workflow: WorkflowLike, places: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Return those of ``places`` that the prompt has, and nothing is linked to."""
    entries = ((place, workflow[place[0]].inputs) for place in places if place[0] in workflow.prompt)
    return tuple(place for place, inputs in entries if place[1] in inputs and not is_link(inputs[place[1]]))


def _saved_nodes(workflow: WorkflowLike) -> Iterator[Mapping[str, Any]]:
    yield from (node for node in _listed((workflow.document or {}).get("nodes")) if isinstance(node, dict))


def _slots(saved: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    slots = (slot for slot in _listed(saved.get("inputs")) if isinstance(slot, dict))
    yield from (slot for slot in slots if isinstance(slot.get("name"), str))


def _is_linked(drawn: _Drawn, node_id: str, name: str) -> bool:
    """Whether an input is linked in the editor, as to a PrimitiveNode, whose value the prompt has there."""
    return any(slot.get("link") is not None for slot in drawn.slots.get((node_id, name), ()))


def _label(drawn: _Drawn, node_id: str, name: str) -> str:
    """Return the label that the author gave an input; of ``a.b``, which a dynamic combo brings, ``b``."""
    labels = (slot.get("label") for slot in drawn.slots.get((node_id, name), ()))
    return next((label for label in labels if isinstance(label, str) and label), name.rpartition(".")[2])
