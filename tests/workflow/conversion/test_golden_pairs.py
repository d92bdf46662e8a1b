"""What the front end itself sent: the handmade pairs are here, the others in ../shared/golden."""

import gzip
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from comfywire.workflow.conversion.convert import Converter

HERE = Path(__file__).parent / "handmade"
GOLDEN = Path(__file__).parents[4] / "shared" / "golden"
VERSIONS = ["0.3.64", "0.33.0"]
MADE_AT = datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001  # the clock of the browser that made them
# LoadImageOutput's choice is fetched by the browser, which then takes the newest: the file does not have it.
MADE_AT_RUN_TIME = {"mut__load_image_upload"}
COMPUTED = {("RecordAudio", "audio"), ("WebcamCapture", "image")}


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def converter(folder: Path) -> Converter:
    return Converter(json.loads(gzip.decompress((folder / "object_info.json.gz").read_bytes())))


def comparable(prompt: dict[str, Any]) -> dict[str, Any]:
    """Ids, class types and inputs; not the titles, the spelling of numbers, nor what a browser captures."""
    return {
        node_id: (
            entry.get("class_type"),
            {
                name: normal(value)
                for name, value in entry["inputs"].items()
                if (entry.get("class_type"), name) not in COMPUTED
                and not (isinstance(value, dict) and "camera_info" in value)
            },
        )
        for node_id, entry in prompt.items()
    }


def normal(value: Any) -> Any:
    match value:
        case bool():
            return value
        case int() | float():
            return float(value)
        case list():
            return [normal(one) for one in value]
        case dict():
            return {key: normal(one) for key, one in value.items()}
    return value


def names(folder: Path) -> list[str]:
    return sorted(path.stem for path in (folder / "workflows").glob("*.json"))


@pytest.mark.parametrize(
    ("version", "name"), [(version, name) for version in VERSIONS for name in names(HERE / version)]
)
def test_a_handmade_workflow_becomes_what_the_front_end_sent(version: str, name: str) -> None:
    folder = HERE / version

    prompt = converter(folder).convert(read(folder / "workflows" / f"{name}.json"), now=MADE_AT).prompt

    assert comparable(prompt) == comparable(read(folder / "api" / f"{name}.json"))


def golden(version: str) -> Path:
    if not (GOLDEN / version).is_dir():
        pytest.skip("../shared/golden is not here: it holds other people's workflows")
    return GOLDEN / version


@pytest.mark.parametrize("version", VERSIONS)
def test_all_golden_workflows_become_what_the_front_end_sent(version: str) -> None:
    folder = golden(version)
    made = converter(folder)

    differing = {
        name
        for name in names(folder)
        if comparable(made.convert(read(folder / "workflows" / f"{name}.json"), now=MADE_AT).prompt)
        != comparable(read(folder / "api" / f"{name}.json"))
    }

    assert differing == MADE_AT_RUN_TIME


@pytest.mark.parametrize("version", VERSIONS)
def test_unknown_types_are_named_in_every_workflow_that_has_them(version: str) -> None:
    folder = golden(version)
    made, index = converter(folder), read(folder / "INDEX.json")

    wrong = {
        name
        for name in names(folder / "unknown")
        if {
            one.class_type
            for one in made.convert(read(folder / "unknown" / "workflows" / f"{name}.json")).unknown
        }
        != set(index[name]["unknown"])
    }

    assert wrong == set()


@pytest.mark.parametrize("version", VERSIONS)
def test_what_the_front_end_refused_is_converted_with_a_prompt(version: str) -> None:
    folder = golden(version)
    made = converter(folder)

    prompts = {
        name: made.convert(read(folder / "refused" / "workflows" / f"{name}.json")).prompt
        for name in names(folder / "refused")
    }

    assert [name for name, prompt in prompts.items() if not prompt] == []
