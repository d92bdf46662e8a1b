"""Latents from files and to files (nodes.py, SaveLatent, LoadLatent): safetensors, written by hand."""

# VALIDATE_INPUTS and its like are ComfyUI's names.
# ruff: noqa: N802

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from comfywire.server.nodes.bounds import MAX_BYTES
from comfywire.server.nodes.files import FileNode
from comfywire.server.nodes.latent_scaling import Latent
from comfywire.server.nodes.saving import SavingNode, as_json

__all__ = ["LoadLatent", "SaveLatent"]

LENGTH_BYTES = 8
TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}
SCALE_BEFORE_VERSION_0 = 1.0 / 0.18215  # files without the mark were saved scaled for SD 1.5
MARK = "latent_format_version_0"


class SaveLatent(SavingNode):
    """A latent as a file that ComfyUI loads too."""

    def execute(
        self,
        samples: Latent,
        filename_prefix: str = "ComfyUI",
        prompt: dict[str, Any] | None = None,
        extra_pnginfo: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Write the file and name it."""
        target = self._target(filename_prefix)
        name = f"{target.filename}_{target.counter:05}_.latent"
        metadata = {"prompt": "", **as_json(prompt, extra_pnginfo)}
        saved = self._write(target, name, _safetensors(samples["samples"], metadata))
        return self._shown(target, {"latents": [saved]}, samples)


class LoadLatent(FileNode):
    """A latent file in ``input``."""

    WORD = "latent"

    @classmethod
    def VALIDATE_INPUTS(cls, latent: str) -> str | bool:
        """Check that the file is there."""
        return cls._is_there(latent)

    @classmethod
    def IS_CHANGED(cls, latent: str) -> str:
        """Return the file's hash, so that other bytes under the same name are loaded again."""
        return cls._digest(latent)

    def execute(self, latent: str) -> tuple[Latent]:
        """Read it."""
        header, content = _parts(Path(self._path(latent)).read_bytes())
        entry = header["latent_tensor"]
        if entry["dtype"] not in TYPES:
            raise ValueError(f"{latent} holds {entry['dtype']}: save the latent as float32 or float16")
        begin, end = entry["data_offsets"]
        samples = np.frombuffer(content[begin:end], dtype=TYPES[entry["dtype"]]).reshape(entry["shape"])
        scale = 1.0 if MARK in header else SCALE_BEFORE_VERSION_0
        return ({"samples": samples.astype(np.float32) * np.float32(scale)},)


def _safetensors(samples: Any, metadata: dict[str, str]) -> bytes:
    """Return the format's bytes: length, header as JSON padded to 8 bytes, and the tensors."""
    tensor = np.ascontiguousarray(samples, dtype=np.float32)
    header = {
        "__metadata__": metadata,
        MARK: {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]},
        "latent_tensor": {
            "dtype": "F32",
            "shape": list(tensor.shape),
            "data_offsets": [0, tensor.nbytes],
        },
    }
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % LENGTH_BYTES)
    return len(encoded).to_bytes(LENGTH_BYTES, "little") + encoded + tensor.tobytes()


def _parts(content: bytes) -> tuple[dict[str, Any], bytes]:
    if len(content) > MAX_BYTES:
        raise MemoryError(f"a latent of {len(content):,} bytes is more than the test server loads")
    length = int.from_bytes(content[:LENGTH_BYTES], "little")
    header: dict[str, Any] = json.loads(content[LENGTH_BYTES : LENGTH_BYTES + length])
    return header, content[LENGTH_BYTES + length :]
