"""What node packs' browser halves make of a prompt: the handmade pairs are here, the others in ../shared."""

import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.workflow.conversion.test_golden_pairs import MADE_AT, names, normal, read

from comfywire.workflow.catalogues.packaged import packaged
from comfywire.workflow.conversion.convert import Conversion, Converter

HERE = Path(__file__).parent / "handmade" / "packs"
WILD = Path(__file__).parents[4] / "shared" / "golden-wild"
DIFFERING: dict[str, str] = read(Path(__file__).parent / "wild_differing.json")
"""Why a file is not what the front end sent, by its name in INDEX.json."""
ONLY_IN_THE_BROWSER = {"PowerLoraLoaderHeaderWidget", "➕ Add Lora"}  # noqa: RUF001  # as the pack spells it
GROWING = {"VHS_VideoCombine", "Power Lora Loader (rgthree)"}

Prompt = Mapping[str, Mapping[str, Any]]


def differing(server: Mapping[str, Any], got: Prompt, wanted: Prompt) -> dict[str, str]:
    """Return the nodes that mean something else, with their types.

    Left aside are nodes that the server lacks, and inputs that it drops since no definition has them.
    """
    nodes = {**got, **wanted}
    return {
        node_id: str(nodes[node_id].get("class_type"))
        for node_id in nodes
        if is_comparable(server, got.get(node_id), wanted.get(node_id))
        and meaning(server, got.get(node_id)) != meaning(server, wanted.get(node_id))
    }


def is_comparable(server: Mapping[str, Any], got: Any, wanted: Any) -> bool:
    if wanted is None:
        return got["class_type"] in server
    return wanted.get("class_type") is not None


def meaning(server: Mapping[str, Any], entry: Any) -> Any:
    if entry is None:
        return None
    kind = entry.get("class_type")
    return kind, {
        name: normal(value)
        for name, value in entry["inputs"].items()
        if not is_dropped(server, kind, name, value)
    }


def is_dropped(server: Mapping[str, Any], kind: str, name: str, value: Any) -> bool:
    if "Everywhere" in str(kind) or name in ONLY_IN_THE_BROWSER:
        return True
    is_link = isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)
    if kind not in server or kind in GROWING or is_link:
        return False
    sections = (server[kind]["input"].get(section) or {} for section in ("required", "optional", "hidden"))
    known = {known for section in sections for known in section}
    return not {name, name.partition(".")[0]} & known


@pytest.mark.parametrize("name", names(HERE))
def test_a_handmade_workflow_of_a_node_pack_becomes_what_the_front_end_sent(name: str) -> None:
    server = json.loads(gzip.decompress((HERE / "object_info.json.gz").read_bytes()))

    done = Converter(server).convert(read(HERE / "workflows" / f"{name}.json"), now=MADE_AT)
    found = differing(server, done.prompt, read(HERE / "api" / f"{name}.json"))

    assert found == {}


def is_named(done: Conversion, found: Mapping[str, str]) -> bool:
    """Whether a warning names every node that differs, by its id or its type."""
    text = "\n".join(done.warnings)
    return all(
        f"node {node_id} " in text or f"node {node_id}:" in text or f"'{kind}'" in text
        for node_id, kind in found.items()
    )


@pytest.fixture(scope="module")
def wild() -> dict[str, Any]:
    if not WILD.is_dir():
        pytest.skip("../shared/golden-wild is not here: it holds other people's workflows")
    found: dict[str, Any] = json.loads(gzip.decompress((WILD / "object_info.json.gz").read_bytes()))
    return found


def pairs() -> Iterator[tuple[str, Any, Any]]:
    for path in sorted((WILD / "real").glob("*.ui.json")):
        name = path.name.removesuffix(".ui.json")
        yield name, read(path), read(path.with_name(f"{name}.api.json"))


def test_real_files_of_node_packs_users_become_what_the_front_end_sent(wild: dict[str, Any]) -> None:
    made = Converter(wild)

    found = {
        name
        for name, saved, wanted in pairs()
        if differing(wild, made.convert(saved, now=MADE_AT).prompt, wanted)
    }

    assert found == set(DIFFERING)


@pytest.mark.parametrize(("is_asked", "differ"), [(True, 9), (False, 65)], ids=["a-server", "no-server"])
def test_every_node_that_differs_is_named_by_a_warning(
    wild: dict[str, Any], *, is_asked: bool, differ: int
) -> None:
    made = Converter(wild if is_asked else packaged())
    found: dict[str, bool] = {}

    for name, saved, wanted in pairs():
        done = made.convert(saved, now=MADE_AT)
        if nodes := differing(wild, done.prompt, wanted):
            found[name] = is_named(done, nodes)

    assert [name for name, named in found.items() if not named] == []
    assert len(found) <= differ
