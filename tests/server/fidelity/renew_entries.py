"""Write what our nodes say of themselves from recorded /object_info answers of both versions.

``python tests/server/fidelity/renew_entries.py OLDER.json.gz NEWER.json.gz``, after a node has been added to
src/comfywire/server/nodes/catalogue.py. Lists of files become a mark that says which.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

from comfywire.server.nodes import declared
from comfywire.server.nodes.catalogue import NODES

MODELS = {
    "ckpt_name": "checkpoints",
    "config_name": "configs",
    "clip_name": "text_encoders",
    "clip_name1": "text_encoders",
    "clip_name2": "text_encoders",
    "clip_name3": "text_encoders",
    "clip_name4": "text_encoders",
    "control_net_name": "controlnet",
    "gligen_name": "gligen",
    "hypernetwork_name": "hypernetworks",
    "lora_name": "loras",
    "model_name": "upscale_models",
    "style_model_name": "style_models",
    "unet_name": "diffusion_models",
    "vae_name": "vae",
}
OTHERS: dict[tuple[str, str], dict[str, Any]] = {
    ("CLIPVisionLoader", "clip_name"): {"$files": ["model:clip_vision"]},
    ("VAELoader", "vae_name"): {"$files": ["model:vae"], "also": ["pixel_space"]},
    ("LoadImage", "image"): {"$files": ["input:image"]},
    ("LoadImageMask", "image"): {"$files": ["input:"]},
    ("LoadAudio", "audio"): {"$files": ["input:audio", "input:video"]},
    ("LoadVideo", "file"): {"$files": ["input:video"]},
    ("LoadLatent", "latent"): {"$files": ["input:.latent"]},
}


def marked(name: str, entry: dict[str, Any]) -> dict[str, Any]:
    """Replace each list of files by what it lists."""
    for section in ("required", "optional"):
        for field, spec in entry["input"].get(section, {}).items():
            mark = OTHERS.get((name, field))
            if mark is None and field in MODELS:
                mark = {"$files": [f"model:{MODELS[field]}"]}
            if mark is None:
                continue
            if isinstance(spec[0], list):
                spec[0] = mark
            else:
                spec[1]["options"] = mark
    return entry


def recorded(path: str) -> dict[str, Any]:
    entries: dict[str, Any] = json.loads(gzip.decompress(Path(path).read_bytes()))
    return {name: marked(name, entries[name]) for name in NODES if name in entries}


def changes(older: dict[str, Any] | None, newer: dict[str, Any]) -> dict[str, Any]:
    expected = {} if older is None else older | declared.NEWER_DEFAULTS
    return {key: value for key, value in newer.items() if key not in expected or value != expected[key]}


def main(older_path: str, newer_path: str) -> None:
    older, newer = recorded(older_path), recorded(newer_path)
    differing = {name: changes(older.get(name), entry) for name, entry in newer.items()}
    overlay: dict[str, Any] = {name: found for name, found in differing.items() if found or name not in older}
    overlay |= dict.fromkeys(older.keys() - newer.keys())
    folder = Path(declared.__file__).parent
    for name, entries in (("entries_0_3_64.json", older), ("entries_0_33_0.json", overlay)):
        lines = [f"{json.dumps(key)}: {json.dumps(entries[key], ensure_ascii=False)}" for key in entries]
        folder.joinpath(name).write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
