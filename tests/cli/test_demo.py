from __future__ import annotations

import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from comfywire.workflow import Workflow
from comfywire.workflow.catalogues.packaged import packaged


@pytest.fixture
def shown(comfywire):
    return comfywire("demo", "--step-time", "0.01")


def test_the_demo_makes_two_pictures_worth_looking_at(shown):
    assert shown.status == 0, shown.err
    pictures = {path.name: Image.open(path) for path in Path("comfywire-demo").glob("*.png")}
    assert sorted(pictures) == ["edit_picture_00001_.png", "text_to_image_00001_.png"]
    for picture in pictures.values():
        assert min(picture.size) >= 400
        assert np.asarray(picture).std() > 20


def test_the_second_picture_is_made_from_the_first(shown):
    first = np.asarray(Image.open("comfywire-demo/text_to_image_00001_.png").convert("L").resize((64, 43)))
    second = Image.open("comfywire-demo/edit_picture_00001_.png").convert("L")
    inside = np.asarray(second.crop((24, 24, second.width - 24, second.height - 24)).resize((64, 43)))

    assert np.corrcoef(first.ravel(), inside.ravel())[0, 1] > 0.8


def test_the_demo_says_where_the_pictures_are_and_what_to_try_next(shown):
    assert str(Path("comfywire-demo").resolve()) in shown.out
    assert "comfywire run comfywire-demo/text_to_image.json" in shown.out


def test_the_demo_leaves_the_workflows_beside_the_pictures(shown):
    assert sorted(path.name for path in Path("comfywire-demo").glob("*.json")) == [
        "edit_picture.json",
        "text_to_image.json",
    ]


def test_the_demo_needs_a_folder_that_can_be_written(comfywire, here):
    Path("taken").write_text("", encoding="utf-8")

    assert comfywire("demo", "--out", "taken/in").status == 2


@pytest.mark.parametrize("name", ["text_to_image", "edit_picture"])
def test_the_workflows_are_of_core_nodes_only(name):
    workflow = Workflow.load(files("comfywire.cli").joinpath(f"workflows/{name}.json").read_text())

    assert [node.class_type for node in workflow if node.class_type not in packaged()] == []


def test_without_the_extra_the_command_that_installs_it_is_named(here):
    hidden = (
        "import sys; sys.modules['PIL'] = None; from comfywire.cli.main import main; sys.exit(main(['demo']))"
    )

    finished = subprocess.run([sys.executable, "-c", hidden], capture_output=True, text=True, check=False)

    assert (finished.returncode, 'pip install ".[server]"' in finished.stderr) == (2, True)
