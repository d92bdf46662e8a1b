"""Make the catalogues of node types that ship with Comfywire, from what servers answered.

    python bench/make_catalogues.py OLD.json[.gz] NEWEST.json[.gz] PACKS.json[.gz] [CASES.json[.gz]]

OLD and NEWEST are ``/object_info`` of two ComfyUIs without node packs; the older one is kept as its
difference from the newest. PACKS is that of a ComfyUI with node packs: of their nodes only what a file is
read by is kept, the names, order and types of inputs and outputs, and neither descriptions nor values. What
CASES has of VideoHelperSuite's formats is kept whole.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "src" / "comfywire" / "workflow" / "catalogues"
# What neither conversion nor validation nor people read.
UNREAD = {"price_badge", "essentials_category", "output_matchtypes", "has_intermediate_output", "dev_only"}
# Options that decide which widgets a node has, or what is done with their values.
LAYOUT = [
    "forceInput",
    "control_after_generate",
    "dynamicPrompts",
    "multiline",
    "widgetType",
    "socketless",
    "multi_select",
    "image_upload",
    "video_upload",
    "animated_image_upload",
    "audio_upload",
]
WHOLE = "VHS_VideoCombine"


def read(path: str) -> Any:
    content = Path(path).read_bytes()
    return json.loads(gzip.decompress(content) if path.endswith(".gz") else content)


def write(name: str, content: Any) -> None:
    packed = gzip.compress(
        json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode(), 9, mtime=0
    )
    (FOLDER / name).write_bytes(packed)
    print(f"{name}: {len(packed):,} bytes")


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """What makes ``old`` of ``new``: types that are gone, fields to leave out, and fields that differ."""
    changed = {kind: _changed(entry, new.get(kind, {})) for kind, entry in old.items()}
    fields = {field for entry in new.values() for field in entry} - {f for e in old.values() for f in e}
    return {
        "without": [kind for kind in new if kind not in old],
        "fields": sorted(fields),
        "changed": {kind: fields for kind, fields in changed.items() if fields},
    }


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in old.items() if field not in new or new[field] != value}


def named(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Of a node pack's node: the names, order and types of its inputs and outputs."""
    sections = _named_sections(entry["input"])
    kept: dict[str, Any] = {"input": sections, "output": list(map(_kind, entry["output"]))}
    order = entry.get("input_order") or {}
    own = {name: list(section) for name, section in sections.items()}
    if any(order.get(name) not in (None, names) for name, names in own.items()):
        kept["input_order"] = {name: order.get(name, []) for name in own}
    return {**kept, "python_module": entry["python_module"]}


def _kind(kind: Any) -> str:
    return kind if isinstance(kind, str) else "COMBO"


def _named_sections(sections: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: {key: _named_input(key, value) for key, value in (sections.get(name) or {}).items()}
        for name in ("required", "optional")
        if sections.get(name)
    }


def _named_input(name: str, entry: Any) -> Any:
    options = entry[1] if len(entry) > 1 and isinstance(entry[1], dict) else {}
    kept = {key: options[key] for key in LAYOUT if options.get(key) not in (None, False)}
    if options.get("control_after_generate") is False and name in {"seed", "noise_seed"}:
        kept["control_after_generate"] = False
    if isinstance(options.get("template"), dict):
        kept["template"] = _template(options["template"])
    if entry[0] == "COMFY_DYNAMICCOMBO_V3":
        kept["options"] = [
            {"key": one["key"], "inputs": _named_sections(one.get("inputs") or {})}
            for one in options["options"]
        ]
    return [_kind(entry[0]), kept] if kept else [_kind(entry[0])]


def _template(template: Mapping[str, Any]) -> dict[str, Any]:
    kept = {
        key: value
        for key, value in template.items()
        if key in {"prefix", "names", "min", "max", "template_id"}
    }
    if isinstance(template.get("input"), dict):
        kept["input"] = _named_sections(template["input"])
    if isinstance(template.get("allowed_types"), str):
        kept["allowed_types"] = template["allowed_types"]
    return kept


def main(paths: list[str]) -> int:
    old, new, packs, *cases = map(read, paths)
    new = {kind: {k: v for k, v in entry.items() if k not in UNREAD} for kind, entry in new.items()}
    FOLDER.mkdir(exist_ok=True)
    write("comfyui_0_33_0.json.gz", new)
    write("comfyui_0_3_64_difference.json.gz", difference(old, new))
    kept = {
        kind: named(entry)
        for kind, entry in packs.items()
        if entry["python_module"].startswith("custom_nodes")
    }
    for found in cases:
        kept[WHOLE]["input"] = {key: found[WHOLE]["input"][key] for key in ("required", "optional")}
    write("packs.json.gz", kept)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
