"""Small workflows as the editor saves them, and a server that knows a handful of node types."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from comfywire.workflow.conversion.convert import Conversion, convert
from comfywire.workflow.profiles import FE_1_27, FE_1_49, FE_1_58, Profile

OLD, NEW, NEWEST = FE_1_27, FE_1_49, FE_1_58
BOTH = (OLD, NEW)


def node_type(
    required: Mapping[str, Any] | None = None,
    optional: Mapping[str, Any] | None = None,
    *,
    output: tuple[str, ...] = (),
    **more: Any,
) -> dict[str, Any]:
    sections = {"required": dict(required or {}), "optional": dict(optional or {})}
    return {
        "input": sections,
        "input_order": {section: list(inputs) for section, inputs in sections.items()},
        "output": list(output),
        "python_module": "nodes",
        **more,
    }


SERVER: dict[str, Any] = {
    "Load": node_type({"name": [["a.png", "b.png"]]}, output=("IMAGE", "MASK")),
    "Blend": node_type({"image": ["IMAGE"], "other": ["IMAGE"], "factor": ["FLOAT", {}]}, output=("IMAGE",)),
    "Sample": node_type(
        {
            "model": ["MODEL"],
            "seed": ["INT", {"default": 7}],
            "steps": ["INT", {"default": 20, "min": 1, "max": 100}],
            "sampler_name": [["euler", "lcm"]],
            "image": ["IMAGE"],
        },
        output=("IMAGE",),
    ),
    "Text": node_type({"text": ["STRING", {"multiline": True, "dynamicPrompts": True}]}, output=("STRING",)),
    "Save": node_type(
        {"images": ["IMAGE"], "prefix": ["STRING", {"default": "out"}], "quality": ["INT", {}]},
        output_node=True,
    ),
    "SaveImage": node_type({"images": ["IMAGE"], "filename_prefix": ["STRING", {"default": "ComfyUI"}]}),
    "Number": node_type({"value": ["FLOAT", {"step": 0.1, "round": 0.01, "max": 100}]}, output=("FLOAT",)),
    "Size": node_type(
        {
            "width": ["INT", {"default": 512, "min": 16, "max": 16384, "step": 8}],
            "height": ["INT", {"default": 512, "min": 16, "max": 4096, "step": 8}],
        },
        output=("LATENT",),
    ),
}


def node(node_id: int | str, kind: str, *values: Any, **more: Any) -> dict[str, Any]:
    """Return a node; ``links={"image": 3}`` gives it inputs, ``widget_links`` those that were widgets."""
    links, widget_links = more.pop("links", {}), more.pop("widget_links", {})
    inputs = [{"name": name, "type": "*", "link": link} for name, link in links.items()]
    inputs += [
        {"name": name, "type": "*", "widget": {"name": name}, "link": link}
        for name, link in widget_links.items()
    ]
    saved: dict[str, Any] = {
        "id": node_id,
        "type": kind,
        "mode": 0,
        "inputs": inputs,
        "outputs": [],
        "properties": {},
    }
    return {**saved, **({"widgets_values": list(values)} if values else {}), **more}


def document(*nodes: dict[str, Any], links: Any = (), **more: Any) -> dict[str, Any]:
    """Return a workflow; a link is ``(id, origin, slot, target, slot)``."""
    arrays = [[*link, "*"] for link in links]
    return {"version": 0.4, "last_node_id": 90, "nodes": list(nodes), "links": arrays, **more}


def subgraph(name: str, *nodes: dict[str, Any], links: Any = (), **slots: Any) -> dict[str, Any]:
    """Return a definition; ``inputs={"seed": ("INT", [4])}`` lists each input's type and links."""
    keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot")
    sides = {
        side: [
            {"name": slot, "type": kind, "linkIds": ids} for slot, (kind, ids) in slots.get(side, {}).items()
        ]
        for side in ("inputs", "outputs")
    }
    objects = [{**dict(zip(keys, link, strict=True)), "type": "*"} for link in links]
    return {"id": name, "name": name, "nodes": list(nodes), "links": objects, **sides}


def converted(
    saved: Mapping[str, Any], profile: Profile = NEW, server: Mapping[str, Any] | None = None, **more: Any
) -> Conversion:
    more.setdefault("now", datetime(2026, 1, 2, 3, 4, 5))  # noqa: DTZ001  # the editor writes local time
    return convert(saved, SERVER if server is None else server, profile=profile, **more)


def inputs_of(
    saved: Mapping[str, Any], profile: Profile = NEW, node_id: str = "1", **more: Any
) -> dict[str, Any]:
    entry = converted(saved, profile, **more).prompt[node_id]
    found: dict[str, Any] = entry["inputs"]
    return found
