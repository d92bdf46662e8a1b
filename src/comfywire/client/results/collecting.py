"""Every output of every output node of one prompt, whatever key the node used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from comfywire.client.downloads import Downloads
from comfywire.protocol.tracked import SocketImage, Tracked

from .outputs import Output, kind_of
from .result import Outputs
from .shown import read_shown

__all__ = ["collect_outputs"]

SUFFIX_OF = {"image/png": "png", "image/jpeg": "jpg"}


def collect_outputs(tracked: Tracked, downloads: Downloads) -> Outputs[Output]:
    """Return what is known of a prompt's outputs, in node order."""
    found = [
        output
        for node_id, shown in tracked.state.outputs.items()
        for output in _of_node(tracked, node_id, shown, downloads)
    ]
    for picture in tracked.images:
        found.append(_of_socket(tracked, picture, sum(o.node_id == picture.node_id for o in found)))
    places = {node_id: number for number, node_id in enumerate(tracked.graph)}
    asked = [output for output in found if _was_asked_for(output.node_id, tracked)]
    return Outputs(sorted(asked, key=lambda output: _place(output.node_id, places)))


def _was_asked_for(node_id: str, tracked: Tracked) -> bool:
    """History also has what a cache still holds of nodes that are no targets (execution.py, 0.3.64)."""
    parent = node_id.split(".", 1)[0]
    return not {node_id, parent} & tracked.graph.keys() or bool({node_id, parent} & tracked.tally.required)


def _place(node_id: str, places: Mapping[str, int]) -> int:
    """Nodes that others expanded into have ids like 10.0.0.1 (graph_utils.py, 0.3.64): in their parent's."""
    parent = node_id.split(".", 1)[0]
    return places.get(node_id, places.get(parent, len(places)))


def _of_node(
    tracked: Tracked, node_id: str, shown: Mapping[str, Any], downloads: Downloads
) -> Iterator[Output]:
    class_type = _class_type(tracked, node_id)
    for one in read_shown(shown, class_type):
        if one.filename is not None:
            yield Output(
                node_id,
                class_type,
                one.key,
                kind_of(one.filename, is_moving=one.is_moving),
                filename=one.filename,
                subfolder=one.subfolder,
                type=one.roots[0],
                value=one.value,
                _downloads=downloads,
                _prompt_id=tracked.prompt_id,
                _other_roots=one.roots[1:],
            )
        elif isinstance(one.value, str):
            yield Output(node_id, class_type, one.key, "text", value=one.value)
        else:
            yield Output(node_id, class_type, one.key, "value", value=one.value)


def _of_socket(tracked: Tracked, picture: SocketImage, number: int) -> Output:
    return Output(
        picture.node_id,
        _class_type(tracked, picture.node_id),
        "images",
        "image",
        filename=f"node{picture.node_id}_{number + 1:05}_.{SUFFIX_OF.get(picture.media_type, 'bin')}",
        type="socket",
        _content=picture.image,
        _prompt_id=tracked.prompt_id,
    )


def _class_type(tracked: Tracked, node_id: str) -> str | None:
    node = tracked.graph.get(node_id)
    class_type = node.get("class_type") if isinstance(node, dict) else None
    return class_type if isinstance(class_type, str) else None
