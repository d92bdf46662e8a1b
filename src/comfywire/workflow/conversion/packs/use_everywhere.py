"""Use Everywhere: nodes that feed every input of a type, without a link that one could see.

Newer versions record the links that they make when the file is saved. Older ones left theirs in the file's
list of links, where no input carries them; where even these are missing, the file says only which nodes
broadcast, and `packs/broadcasts.py` finds out what to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from comfywire.workflow.conversion.graph import INPUT_NODE, OUTPUT_NODE
from comfywire.workflow.conversion.packs.broadcasts import SEED, UE_TYPES, broadcast, is_free
from comfywire.workflow.conversion.packs.pack import Pack

if TYPE_CHECKING:
    from comfywire.workflow.conversion.graph import Graph, GraphNode

__all__ = ["PACK"]


def link_everywhere(graph: Graph, warnings: list[str]) -> None:
    """Make the links that the pack would make when the prompt is sent."""
    nodes = [node for node in graph.nodes.values() if node.type in UE_TYPES]
    record = _record(graph)
    if record is not None:
        by_saved_id = {str(node.saved.get("id")): node for node in graph.nodes.values()}
        for link in record:
            _repeat(graph, link, by_saved_id)
        feeding = {str(link.get("controller")) for link in record}
    elif nodes:
        feeding = _take_up_leftovers(graph, nodes) or broadcast(graph, nodes)
        for node in nodes:
            if node.type == SEED:
                node.say("newer versions of its pack send a PrimitiveInt with its seed in its place")
    idle = [node for node in nodes if not node.is_off and str(node.saved.get("id")) not in feeding]
    warnings += [
        f"node {node.id} ({node.type}): it broadcasts, and no input here takes what it has; if the server "
        "misses an input, link it in the editor, or export from there in API format"
        for node in idle
        if node.type == SEED or node.links
    ]


def _record(graph: Graph) -> list[Mapping[str, Any]] | None:
    extra = graph.saved.get("extra")
    links = extra.get("ue_links") if isinstance(extra, Mapping) else None
    return [link for link in links if isinstance(link, Mapping)] if isinstance(links, list) else None


def _repeat(graph: Graph, link: Mapping[str, Any], nodes: Mapping[str, GraphNode]) -> None:
    """Make a link of the record, if what it feeds is not linked otherwise."""
    upstream, downstream = str(link.get("upstream")), str(link.get("downstream"))
    slot, target = link.get("upstream_slot"), link.get("downstream_slot")
    if not isinstance(slot, int) or not isinstance(target, int):
        return
    if upstream != INPUT_NODE:
        if upstream not in nodes:
            return
        upstream = nodes[upstream].id
    if downstream == OUTPUT_NODE:
        if 0 <= target < len(graph.outputs) and not graph.outputs[target].link_ids:
            graph.connect_output(upstream, slot, target)
    elif downstream in nodes:
        node = nodes[downstream]
        name = _input_name(node, target, link.get("type"))
        if name is not None and is_free(graph, node, name):
            graph.connect(upstream, slot, node, name)


def _take_up_leftovers(graph: Graph, nodes: list[GraphNode]) -> set[str]:
    """Make the links that an older version left in the file's list; of several to one input, the first."""
    carried = {link_id for node in graph.nodes.values() for link_id in node.links.values()}
    taken = False
    for link_id, link in list(graph.links.items()):
        node = graph.nodes.get(link.target_id)
        if link_id in carried or node is None or link.origin_id not in graph.nodes:
            continue
        saved = node.inputs
        if isinstance(link.target_slot, int) and 0 <= link.target_slot < len(saved):
            name = saved[link.target_slot]["name"]
            if is_free(graph, node, name):
                graph.connect(link.origin_id, link.origin_slot, node, name)
                taken = True
    # Which of them fed what is not said; none is worth a warning then.
    return {str(node.saved.get("id")) for node in nodes} if taken else set()


def _input_name(node: GraphNode, slot: int, kind: Any) -> str | None:
    """Return which input is meant: by the file's own list, whose order need not be the definition's."""
    saved, sockets = node.inputs, node.sockets
    if 0 <= slot < len(saved) and saved[slot].get("type") in (kind, "*"):
        name: str = saved[slot]["name"]
        return name
    if 0 <= slot < len(sockets) and sockets[slot].type in (kind, "*"):
        return sockets[slot].name
    return None


PACK = Pack(
    "cg-use-everywhere",
    virtual=dict.fromkeys(UE_TYPES - {SEED}, "note"),
    passes=(link_everywhere,),
)
