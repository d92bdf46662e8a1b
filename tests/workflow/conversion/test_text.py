from datetime import datetime

import pytest
from tests.workflow.conversion.editor import OLD, converted, document, inputs_of, node, subgraph

from comfywire.workflow.conversion.text import (
    format_date,
    js_string,
    replace_percents,
    resolve_dynamic_prompt,
)

NOW = datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001  # local time, as the editor writes it


def first(options):
    return options[0]


def last(options):
    return options[-1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a cat", "a cat", id="nothing-to-do"),
        pytest.param("{a|b} c", "b c", id="an-option"),
        pytest.param("{a|{b|c}}", "c", id="options-in-options"),
        pytest.param("{x}", "x", id="the-only-option"),
        pytest.param("{a|}", "", id="an-empty-option"),
        pytest.param("{a|b", "b", id="never-closed"),
        pytest.param("a}b|c", "a}b|c", id="never-opened"),
        pytest.param(r"\{a\|b\}", "{a|b}", id="escaped"),
        pytest.param(r"{a|b\|c}", "b|c", id="escaped-in-an-option"),
        pytest.param(r"C:\new", r"C:\new", id="another-backslash"),
        pytest.param("a /* b\nc */ d", "a  d", id="a-comment"),
        pytest.param("a // b\nc", "a \nc", id="to-the-end-of-the-line"),
        pytest.param("https://x.y/z", "https:", id="an-address-is-a-comment-too"),
        pytest.param("{a // |b}\n|c}", "c", id="comments-go-before-options"),
        pytest.param("end\\", "end\\", id="a-backslash-at-the-end"),
    ],
)
def test_dynamic_prompts_are_resolved(text, expected):
    assert resolve_dynamic_prompt(text, last) == expected


def test_the_choice_is_the_caller_s():
    assert inputs_of(document(node(1, "Text", "{a|b}")), choose=last) == {"text": "b"}


def test_without_a_caller_s_choice_it_is_the_first():
    assert inputs_of(document(node(1, "Text", "{a|b}"))) == {"text": "a"}


def test_promoted_texts_are_sent_as_they_are():
    made = subgraph(
        "inner",
        node(5, "Text", "", widget_links={"text": 1}),
        links=[(1, -10, 0, 5, 0)],
        inputs={"text": ("STRING", [1])},
    )
    saved = document(node(9, "inner", "{a|b}"), definitions={"subgraphs": [made]})

    assert inputs_of(saved, node_id="9:5") == {"text": "{a|b}"}


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        pytest.param("yyyy-MM-dd", "2026-01-02", id="a-date"),
        pytest.param("d.M.yy h:m:s", "2.1.26 3:4:5", id="short"),
        pytest.param("hh_mm_ss", "03_04_05", id="a-time"),
        pytest.param("yyy y", "yyy y", id="no-such-parts"),
    ],
)
def test_dates_have_the_editor_s_form(form, expected):
    assert format_date(form, NOW) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("%date:yyyy%/x", "2026/x", id="a-date"),
        pytest.param("%K.seed%", "5", id="a-widget"),
        pytest.param("%K.text%", "a_b_c_", id="unsafe-letters"),
        pytest.param("%K.gone%", "%K.gone%", id="no-such-widget"),
        pytest.param("%width%x", "%width%x", id="the-server-s-own"),
        pytest.param("%date:yyyy.MM%", "%date:yyyy.MM%", id="one-point-makes-it-a-widget"),
        pytest.param("100%", "100%", id="a-single-sign"),
    ],
)
def test_names_between_percents_are_replaced(text, expected):
    known = {("K", "seed"): "5", ("K", "text"): "a/b:c?"}

    assert replace_percents(text, NOW, lambda node_name, widget: known.get((node_name, widget))) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(True, "true", id="true"),
        pytest.param(False, "false", id="false"),
        pytest.param(None, "null", id="null"),
        pytest.param(20.0, "20", id="a-whole-number"),
        pytest.param(0.5, "0.5", id="a-fraction"),
        pytest.param(1e-7, "1e-7", id="a-small-one"),
        pytest.param(1.5e300, "1.5e+300", id="a-large-one"),
        pytest.param([1, None, "a"], "1,,a", id="a-list"),
        pytest.param({}, "[object Object]", id="an-object"),
    ],
)
def test_values_are_written_as_javascript_writes_them(value, expected):
    assert js_string(value) == expected


def saving(prefix, *nodes, kind="SaveImage", **more):
    return document(node(1, kind, prefix), *nodes, **more)


SEED = "%Sample.seed%"


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        pytest.param(node(2, "Sample", 5), "5", id="by-class"),
        pytest.param(
            node(2, "Sample", 5, properties={"Node name for S&R": "Mine"}, title="x"), SEED, id="renamed"
        ),
        pytest.param(node(2, "Number", 5, title="Sample"), SEED, id="by-title-without-the-widget"),
        pytest.param(
            node(2, "Sample", 5, properties={"Node name for S&R": "x"}, title="Sample"), "5", id="by-title"
        ),
        pytest.param(node(2, "Sample", None), "", id="null"),
    ],
)
def test_a_save_node_names_its_files_by_other_nodes(other, expected):
    assert inputs_of(saving(SEED, other)) == {"filename_prefix": expected}


def test_a_save_node_has_no_name_for_others_of_its_own():
    assert inputs_of(saving("%SaveImage.filename_prefix%")) == {
        "filename_prefix": "%SaveImage.filename_prefix%"
    }


def test_other_nodes_keep_their_percents():
    assert inputs_of(document(node(1, "Save", "%date:yyyy%")))["prefix"] == "%date:yyyy%"


def test_the_contents_of_a_subgraph_are_found_before_their_instance():
    made = subgraph("inner", node(5, "Sample", 6, title="It"))
    saved = saving("%It.seed%", node(9, "inner", title="It"), definitions={"subgraphs": [made]})

    assert inputs_of(saved) == {"filename_prefix": "6"}


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [pytest.param("%Inst.seed%", "3", id="an-instance"), pytest.param("%Prim.value%", "8", id="a-primitive")],
)
def test_values_of_instances_and_primitives_are_found(prefix, expected):
    made = subgraph(
        "inner",
        node(5, "Sample", 6, widget_links={"seed": 1}),
        links=[(1, -10, 0, 5, 2)],
        inputs={"seed": ("INT", [1])},
    )
    saved = saving(
        prefix,
        node(9, "inner", 3, title="Inst"),
        node(8, "PrimitiveNode", 8, title="Prim"),
        definitions={"subgraphs": [made]},
    )

    assert inputs_of(saved) == {"filename_prefix": expected}


def test_a_shared_text_of_an_instance_is_found():
    made = subgraph(
        "inner",
        node(5, "Text", "", widget_links={"text": 1}),
        links=[(1, -10, 0, 5, 0)],
        inputs={"text": ("STRING", [1])},
    )
    saved = saving("%Inst.text%", node(9, "inner", "cat", title="Inst"), definitions={"subgraphs": [made]})

    assert converted(saved, OLD).prompt["1"]["inputs"]["filename_prefix"] == "cat"
