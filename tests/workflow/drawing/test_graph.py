import itertools
import xml.etree.ElementTree as ET

import pytest

from comfywire.workflow import Workflow

OBJECT_INFO = {
    "Loader": {"input": {"required": {}}, "output": ["MODEL", "CLIP"], "output_name": ["model", "clip"]},
    "Text": {"input": {"required": {}}, "output": ["CONDITIONING"]},
    "Save": {"input": {"required": {}}, "output": [], "output_node": True},
}


@pytest.fixture
def workflow():
    prompt = {
        "9": {"class_type": "Save", "inputs": {"images": ["12:6", 0], "gone": ["77", 0]}},
        "12:6": {
            "class_type": "Text",
            "inputs": {"text": 'a <cat> & "hat"\n\x00', "clip": ["4", 1]},
            "_meta": {"title": "Posi[tive]"},
        },
        "4": {"class_type": "Loader", "inputs": {"ckpt_name": "x" * 200}},
    }
    return Workflow(prompt, object_info=OBJECT_INFO)


def test_as_text_each_node_stands_behind_what_it_waits_for(workflow):
    assert workflow.graph().splitlines() == [
        "4 Loader",
        f'    ckpt_name = "{"x" * 88}…',
        "12:6 Text 'Posi[tive]'",
        r'''    text = "a <cat> & \"hat\"\n\u0000"''',
        "    clip <- 4 Loader clip",
        "9 Save  (output)",
        "    images <- 12:6 Posi[tive] CONDITIONING",
        "    gone <- 77 (not there) 0",
    ]


def test_as_mermaid_nothing_in_a_title_is_markup(workflow):
    assert workflow.graph("mermaid").splitlines() == [
        "flowchart LR",
        '    n0(["Save<br>9"])',
        '    n1["Posi#91;tive#93;<br>Text<br>12:6"]',
        '    n2["Loader<br>4"]',
        '    n1 -- "CONDITIONING" --> n0',
        '    n2 -- "clip" --> n1',
    ]


def test_as_svg_every_node_is_a_box_with_a_curve_for_every_link(workflow):
    drawing = ET.fromstring(workflow.graph("svg"))

    space = "{http://www.w3.org/2000/svg}"
    assert len(drawing.findall(f".//{space}rect")) == 3
    assert [path.findtext(f"{space}title") for path in drawing.iter(f"{space}path")] == [
        "CONDITIONING",
        "clip",
    ]
    texts = [text.text for text in drawing.iter(f"{space}text")]
    assert "Posi[tive]" in texts
    assert r'text: "a <cat> & \"hat\"\n\u0000"' in texts


def test_the_text_of_a_box_stands_inside_it():
    prompt = {"1": {"class_type": "Loader", "inputs": {"a": 1, "b": 2, "c": 3}}}
    drawing = ET.fromstring(Workflow(prompt, object_info=OBJECT_INFO).graph("svg"))

    space = "{http://www.w3.org/2000/svg}"
    [box] = [rect.attrib for rect in drawing.iter(f"{space}rect")]
    lines = [int(text.attrib["y"]) for text in drawing.iter(f"{space}text")]

    assert lines == sorted({*lines})
    assert int(box["y"]) < min(lines)
    assert max(lines) < int(box["y"]) + int(box["height"])


@pytest.mark.parametrize("slot", [7, -1, "x"], ids=["beyond", "before", "no-number"])
def test_a_link_to_no_output_is_shown_as_it_stands(slot):
    prompt = {
        "1": {"class_type": "Loader", "inputs": {}},
        "2": {"class_type": "Save", "inputs": {"images": ["1", slot]}},
    }

    assert (
        Workflow(prompt, object_info=OBJECT_INFO).graph().endswith(f"{slot}" if slot != "x" else '["1", "x"]')
    )


def test_boxes_of_a_drawing_do_not_overlap():
    prompt = {str(at): {"class_type": "Loader", "inputs": {"a": at, "b": at}} for at in range(5)}
    drawing = ET.fromstring(Workflow(prompt, object_info=OBJECT_INFO).graph("svg"))

    rects = [rect.attrib for rect in drawing.iter("{http://www.w3.org/2000/svg}rect")]
    places = sorted((int(rect["y"]), int(rect["height"])) for rect in rects)

    assert all(y + height < below for (y, height), (below, _) in itertools.pairwise(places))


def test_a_notebook_shows_the_drawing(workflow):
    assert workflow._repr_svg_() == workflow.graph("svg")


def test_an_empty_workflow_can_be_drawn():
    empty = Workflow({}, object_info={})

    assert empty.graph() == ""
    assert ET.fromstring(empty.graph("svg")) is not None


def test_another_form_is_refused(workflow):
    with pytest.raises(ValueError, match="'text', 'mermaid' or 'svg', not 'png'"):
        workflow.graph("png")
