"""Every node that computes answers as the real one did: exactly, or within one level of 255 if it says so."""

from __future__ import annotations

import json
import lzma
from collections import Counter
from collections.abc import Iterator
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.server.nodes.cases import INPUTS, cases

from comfywire.server import Server
from comfywire.server.nodes.catalogue import NODES
from comfywire.server.nodes.declared import BUT_FOR_TIES, EXACT, ONE_LEVEL, SIMULATED

RECORDED = Path(__file__).with_name("recorded")
VERSIONS = ("0.3.64", "0.33.0")
ROUNDING = 5e-6  # of float32: the order of a sum, or another library; at most one level of 255 when saved


@cache
def answers(version: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What one version answered; the newer one's file holds only what differs."""
    values: dict[str, Any] = {}
    arrays: dict[str, Any] = {}
    for each in VERSIONS[: VERSIONS.index(version) + 1]:
        stored = json.loads((RECORDED / f"{each}.json").read_text(encoding="utf-8"))
        values |= stored["values"]
        flat = np.frombuffer(lzma.decompress((RECORDED / f"{each}.float32.xz").read_bytes()), dtype="<f4")
        ends = np.cumsum([prod(shape) for shape in stored["shapes"].values()])[:-1]
        parts = zip(stored["shapes"].items(), np.split(flat, ends), strict=True)
        arrays |= {key: part.reshape(shape) for (key, shape), part in parts}
    return values, arrays


def recorded(version: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    counts: Counter[str] = Counter()
    for name, inputs, _ in cases():
        case = f"{name}-{counts[name]}"
        counts[name] += 1
        if case in answers(version)[0]:
            yield case, name, inputs


def run(server: Server, name: str, inputs: dict[str, Any]) -> Any:
    node = server.life.classes[name]()
    given = {
        key: INPUTS[value] if isinstance(value, str) and value.startswith("@") else value
        for key, value in inputs.items()
    }
    return getattr(node, node.FUNCTION)(**given)


def difference(case: str, made: Any, version: str) -> float:
    """How far the outputs are from the recorded ones, in parts of the largest value; else infinite."""
    values, arrays = answers(version)
    worst = 0.0
    for slot, (ours, theirs) in enumerate(zip(made, values[case], strict=True)):
        parts = ours.items() if isinstance(ours, dict) else [("", ours)]
        for key, part in parts:
            expected = theirs[key] if key else theirs
            if expected == "array":
                wanted = arrays[f"{case}.{slot}.{key}" if key else f"{case}.{slot}"]
                worst = max(worst, apart(part, wanted))
            elif part != expected or type(part) is not type(expected):
                return float("inf")
    return worst


def apart(ours: Any, theirs: Any) -> float:
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return float("inf")
    if np.array_equal(ours, theirs, equal_nan=True):
        return 0.0
    return float(np.max(np.abs(ours - theirs)) / max(1.0, np.abs(theirs).max()))


TOLERANCE = {EXACT: 0.0, BUT_FOR_TIES: 0.0, ONE_LEVEL: ROUNDING}


@pytest.mark.parametrize("version", VERSIONS)
async def test_nodes_compute_what_the_real_ones_did(version):
    async with Server(profile=version) as server:
        found = {
            case: difference(case, run(server, name, inputs), version)
            for case, name, inputs in recorded(version)
        }
        classes = server.life.classes

    allowed = {case: TOLERANCE[classes[case.rpartition("-")[0]].FIDELITY] for case in found}
    assert len(found) > 500
    assert {case: off for case, off in found.items() if off > allowed[case]} == {}


WITHOUT_RECORDING = {
    # Files were compared with a real server's by hand (docs/test-server.md); test_media.py has the rest.
    *("LoadImage", "LoadImageMask", "LoadImageOutput", "MaskPreview", "PreviewImage", "SaveImage"),
    *("SaveAnimatedPNG", "SaveAnimatedWEBP", "CreateVideo", "GetVideoComponents", "LoadVideo", "SaveVideo"),
    *(
        "SaveWEBM",
        "LoadAudio",
        "PreviewAudio",
        "SaveAudio",
        "SaveAudioAdvanced",
        "SaveAudioMP3",
        "SaveAudioOpus",
    ),
    *(
        "SaveSVGNode",
        "LoadLatent",
        "SaveLatent",
        "ImageCompare",
        "SaveText",
        "PreviewAny",
        "SaveImageWebsocket",
    ),
    # Too large to record, or no arithmetic; test_pictures.py and test_dynamic_inputs.py have them.
    *("FluxKontextImageScale", "ImageScaleToTotalPixels", "GetImageSize", "RebatchImages", "CreateList"),
    *("CustomCombo", "SaveImageWebsocket"),
}


def test_every_node_that_computes_was_recorded():
    claims = {name for name, node in NODES.items() if getattr(node, "FIDELITY", SIMULATED) != SIMULATED}

    assert claims - {name for name, _, _ in cases()} == WITHOUT_RECORDING
