"""Rules of node packs that users bring: named, or installed, and never found beside a workflow."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.workflow.conversion.editor import document, node, node_type

from comfywire import UncertainWorkflow, UnusablePack
from comfywire.workflow import Pack, SavedNode, Workflow

SERVER = {"Doubler": node_type({"size": ["INT", {}]}, python_module="custom_nodes.doubler")}
SAVED = document(node(1, "Doubler", 21), node(2, "Sticker", "hello"))
SOURCE = """
from comfywire.workflow import Pack, SavedNode

def double(node: SavedNode):
    return {"size": node.values["size"] * 2, "unit": "px"}

PACK = Pack("doubler", virtual={"Sticker": "note"}, nodes={"Doubler": double})
"""


def sizes(node: SavedNode) -> dict[str, int]:
    node.warn("its size is tripled")
    return {"size": node.values["size"] * 3}


def test_a_pack_may_be_given():
    triple = Pack("tripler", nodes={"Doubler": sizes})

    workflow = Workflow.load(SAVED, SERVER, packs=[triple])

    assert workflow["1"].size == 63
    assert "node 1 (Doubler): its size is tripled" in workflow.warnings


def test_a_file_may_be_named(tmp_path):
    path = tmp_path / "any name.py"
    path.write_text(SOURCE)

    workflow = Workflow.load(SAVED, SERVER, packs=[path])

    assert workflow.prompt["1"]["inputs"] == {"size": 42, "unit": "px"}
    assert list(workflow.prompt) == ["1"]
    assert workflow.warnings == ()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        pytest.param("PACK = 5", "has no PACK", id="another-thing"),
        pytest.param("", "has no PACK", id="nothing"),
        pytest.param("1 / 0", "ZeroDivisionError", id="it-raises"),
        pytest.param("def", "SyntaxError", id="no-python"),
        pytest.param(None, "FileNotFoundError", id="missing"),
    ],
)
def test_a_file_that_has_none_is_refused_with_the_reason(tmp_path, source, words):
    path = tmp_path / "pack.py"
    if source is not None:
        path.write_text(source)

    with pytest.raises(UnusablePack, match=words):
        Workflow.load(SAVED, SERVER, packs=[str(path)])


def test_no_python_file_is_loaded_because_it_lies_beside_a_workflow(tmp_path):
    (tmp_path / "workflow.json").write_text(json.dumps(SAVED))
    for name in (
        "workflow",
        "pack",
        "packs",
        "conftest",
        "comfywire_pack",
        "custom_nodes",
        "rgthree",
        "PACK",
    ):
        (tmp_path / f"{name}.py").write_text("open('was-loaded', 'w').close()\n" + SOURCE)
    (tmp_path / "custom_nodes").mkdir()
    (tmp_path / "custom_nodes" / "__init__.py").write_text("open('was-loaded', 'w').close()\n")
    command = Path(sys.executable).with_name("comfywire")

    done = subprocess.run(
        [command, "convert", "--offline", "workflow.json"], cwd=tmp_path, capture_output=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "was-loaded").exists()


def installed(folder: Path, source: str) -> Path:
    """Make a package with the entry point, as pip would install it."""
    (folder / "doubler_rules.py").write_text(source)
    about = folder / "doubler-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: doubler\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[comfywire.packs]\ndoubler = doubler_rules:PACK\n")
    return folder


@pytest.mark.parametrize(
    ("source", "printed"),
    [
        pytest.param(SOURCE, "{'size': 42, 'unit': 'px'}", id="it-is-used"),
        pytest.param("PACK = None", "UnusablePack", id="none"),
        pytest.param("1 / 0", "UnusablePack", id="it-raises"),
    ],
)
def test_an_installed_package_may_bring_one(tmp_path, source, printed):
    program = (
        f"import sys; sys.path.insert(0, {str(installed(tmp_path, source))!r})\n"
        "from comfywire.workflow import Workflow\n"
        f"print(Workflow.load({SAVED!r}, {SERVER!r}).prompt['1']['inputs'])"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert printed in done.stdout + done.stderr


def test_strict_refuses_what_has_warnings():
    with pytest.raises(UncertainWorkflow, match="2 warnings") as caught:
        Workflow.load(document(node(1, "Doubler", 1, 2), node(2, "Unheard", 5)), SERVER, strict=True)

    assert [words.split(":")[0] for words in caught.value.warnings] == ["node 2", "node 1 (Doubler)"]
    assert Workflow.load(document(node(1, "Doubler", 1)), SERVER, strict=True)["1"].size == 1
