"""The node types that ship with the package, and which of them a file is read by."""

from importlib import resources

import pytest
from tests.workflow.conversion.editor import document, node

from comfywire.workflow import Workflow
from comfywire.workflow.catalogues.packaged import packaged, release_of, shipped_types

DESCRIBED = {"default", "display_name", "label_on", "max", "min", "placeholder", "round", "step", "tooltip"}


def options(sections):
    for section in sections.values():
        for _, *rest in section.values():
            yield from rest[0] if rest else ()


def saved(kind, *values, ver=None, **more):
    properties = {} if ver is None else {"cnr_id": "comfy-core", "ver": ver}
    return document(node(1, kind, *values, properties=properties), **more)


def test_all_of_them_take_less_than_a_megabyte():
    folder = resources.files("comfywire.workflow.catalogues")

    sizes = [len(file.read_bytes()) for file in folder.iterdir() if file.name.endswith(".gz")]

    assert len(sizes) == 3
    assert sum(sizes) < 1_000_000


def test_both_releases_are_whole():
    assert (len(packaged()), len(packaged("0.3.64"))) == (887, 496)
    assert "codec" in packaged()["SaveVideo"].inputs
    assert list(packaged("0.3.64")["SaveVideo"].inputs) == ["video", "filename_prefix", "format", "codec"]
    assert "IdeogramV1" in packaged("0.3.64")
    assert "IdeogramV1" not in packaged()
    assert "search_aliases" not in packaged("0.3.64").raw["KSampler"]


@pytest.mark.parametrize(
    ("file", "release"),
    [
        pytest.param(saved("KSampler"), "0.33.0", id="it-says-nothing"),
        pytest.param(saved("KSampler", ver="0.3.40"), "0.3.64", id="older"),
        pytest.param(saved("KSampler", ver="0.3.64"), "0.3.64", id="that-very-one"),
        pytest.param(saved("KSampler", ver="0.4.0"), "0.33.0", id="newer"),
        pytest.param(saved("KSampler", ver="nightly"), "0.33.0", id="no-number"),
        pytest.param(saved("KSampler", extra={"frontendVersion": "1.23.4"}), "0.3.64", id="front-end"),
        pytest.param(saved("KSampler", extra={"frontendVersion": "1.49.6"}), "0.33.0", id="newer-front-end"),
        pytest.param(
            {
                **saved("KSampler", ver="0.3.40"),
                "definitions": {"subgraphs": [saved("KSampler", ver="0.20.0")]},
            },
            "0.33.0",
            id="the-newest-node-counts",
        ),
    ],
)
def test_the_file_says_by_which_it_is_read(file, release):
    assert release_of(file) == release


def test_a_type_that_is_gone_is_read_by_the_older_one():
    gone = ["a prompt", False, "1:1", "AUTO", 0, "fixed", "", 1]

    old = Workflow.load(saved("IdeogramV1", *gone, ver="0.3.50"))
    new = Workflow.load(saved("IdeogramV1", *gone, ver="0.30.0"))

    assert (old["1"].prompt, old.warnings) == ("a prompt", ())
    assert "node type 'IdeogramV1'" in new.warnings[0]
    assert "is not among those that ship with Comfywire" in new.warnings[0]


def test_inputs_that_came_later_have_their_default_for_older_files_too():
    assert Workflow.load(saved("CreateVideo", 24, ver="0.3.50"))["1"].inputs == {"fps": 24, "bit_depth": 8}


def test_a_file_alone_suffices_for_the_nodes_of_common_packs():
    workflow = Workflow.load(saved("ImageResizeKJv2", 640, 480, "lanczos", "stretch", "0, 0, 0", "top", 2))

    assert workflow["1"].inputs == {
        "width": 640,
        "height": 480,
        "upscale_method": "lanczos",
        "keep_proportion": "stretch",
        "pad_color": "0, 0, 0",
        "crop_position": "top",
        "divisible_by": 2,
    }


def test_a_default_that_only_the_pack_knows_is_not_made_up():
    workflow = Workflow.load(saved("ImageResizeKJv2", 640, 480))

    assert workflow["1"].inputs == {"width": 640, "height": 480}
    assert "'upscale_method', 'keep_proportion', 'pad_color', 'crop_position' and" in workflow.warnings[0]
    assert "its default is not known here; give a server or its --object-info" in workflow.warnings[0]


def test_of_packs_only_names_order_and_types_are_shipped():
    packs = {kind: entry for kind, entry in shipped_types().raw.items() if entry.get("names_only")}
    found = {kind for kind, entry in packs.items() if set(options(entry["input"])) & DESCRIBED}

    assert len(packs) > 500
    assert found == {"VHS_VideoCombine"}  # from a file that was made by hand for these tests
