import pytest
from tests.workflow.conversion.editor import (
    BOTH,
    NEW,
    NEWEST,
    OLD,
    SERVER,
    document,
    inputs_of,
    node,
    node_type,
)


def widgets(saved, profile=NEW, server=None):
    return inputs_of(document(saved), profile, server=server or SERVER)


DEFAULTS = {"seed": 7, "steps": 20, "sampler_name": "euler"}


@pytest.mark.parametrize("profile", BOTH, ids=lambda profile: profile.name)
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param(
            [5, "fixed", 30, "lcm"], {"seed": 5, "steps": 30, "sampler_name": "lcm"}, id="by-position"
        ),
        pytest.param([5, "fixed"], {**DEFAULTS, "seed": 5}, id="a-short-list-leaves-defaults"),
        pytest.param(
            [5, "fixed", 30, "lcm", 1, 2], {"seed": 5, "steps": 30, "sampler_name": "lcm"}, id="surplus"
        ),
        pytest.param(
            [5, 30, "lcm"], {"seed": 5, "steps": "lcm", "sampler_name": "euler"}, id="nothing-is-guessed"
        ),
        pytest.param(["5", True, 3.5, 8], {"seed": "5", "steps": 3.5, "sampler_name": 8}, id="any-type"),
        pytest.param([], DEFAULTS, id="an-empty-list"),
    ],
)
def test_saved_values_are_assigned_by_position(profile, values, expected):
    assert widgets(node(1, "Sample", widgets_values=values), profile) == expected


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        pytest.param(
            NEW, {"seed": None, "steps": 4, "sampler_name": "euler"}, id="1.49-takes-the-first-choice"
        ),
        pytest.param(OLD, {"seed": None, "steps": 4, "sampler_name": None}, id="1.27-keeps-it"),
    ],
)
def test_a_saved_null_is_a_value(profile, expected):
    assert widgets(node(1, "Sample", None, None, 4, None), profile) == expected


@pytest.mark.parametrize("profile", BOTH, ids=lambda profile: profile.name)
def test_a_null_text_of_several_lines_is_empty(profile):
    assert widgets(node(1, "Text", None), profile) == {"text": ""}


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        pytest.param(NEW, "a\r\nb\rc", id="1.49-keeps-them"),
        pytest.param(OLD, "a\nb\nc", id="1.27-has-a-textarea"),
    ],
)
def test_line_ends_of_texts(profile, expected):
    assert widgets(node(1, "Text", "a\r\nb\rc"), profile) == {"text": expected}


def test_a_list_is_boxed_so_that_it_is_no_link():
    assert widgets(node(1, "Number", [1, 2])) == {"value": {"__value__": [1, 2]}}


def test_big_numbers_are_kept():
    assert widgets(node(1, "Sample", 2**64 - 1))["seed"] == 2**64 - 1


BY_NAME = {"seed": 9, "sampler_name": "lcm"}


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        pytest.param(OLD, DEFAULTS, id="1.27-takes-no-notice"),
        pytest.param(NEW, {"sampler_name": "euler"}, id="1.49-reads-undefined"),
    ],
)
def test_values_by_name_mean_nothing_to_core_nodes(profile, expected):
    assert widgets(node(1, "Sample", widgets_values=BY_NAME), profile) == expected


@pytest.mark.parametrize("profile", BOTH, ids=lambda profile: profile.name)
def test_values_by_name_are_read_for_nodes_of_packs(profile):
    server = {"Sample": {**SERVER["Sample"], "python_module": "custom_nodes.pack"}}

    assert widgets(node(1, "Sample", widgets_values=BY_NAME), profile, server) == {**DEFAULTS, **BY_NAME}


FORCED = {
    "Old": node_type({"text": ["STRING", {"forceInput": True}], "seed": ["INT", {}], "steps": ["INT", {}]}),
    "Seeded": node_type(
        {"amount": ["INT", {"forceInput": True, "control_after_generate": True}], "steps": ["INT", {}]}
    ),
}


@pytest.mark.parametrize(
    ("profile", "kind", "values", "expected"),
    [
        pytest.param(
            OLD, "Old", ["dummy", 5, "fixed", 30], {"seed": 5, "steps": 30}, id="1.27-counts-seeds-twice"
        ),
        pytest.param(NEW, "Old", ["dummy", 5, 30], {"seed": 5, "steps": 0}, id="1.49-counts-them-once"),
        pytest.param(
            NEW, "Old", [5, "fixed", 30, 1], {"seed": 5, "steps": 30}, id="another-length-is-as-it-is"
        ),
        pytest.param(NEW, "Seeded", [1, "fixed", 30], {"steps": "fixed"}, id="1.49-drops-one-place"),
    ],
)
def test_dummies_of_forced_inputs_are_dropped_where_the_length_tells_of_them(profile, kind, values, expected):
    assert widgets(node(1, kind, *values), profile, FORCED) == expected


@pytest.mark.parametrize("profile", BOTH, ids=lambda profile: profile.name)
@pytest.mark.parametrize("prefix", ["sample_", ""])
def test_samplers_lose_an_old_prefix(profile, prefix):
    server = {"KSampler": node_type({"sampler_name": [["euler"]]})}

    assert widgets(node(1, "KSampler", f"{prefix}lcm"), profile, server) == {"sampler_name": "lcm"}


@pytest.mark.parametrize(
    ("linked", "expected"),
    [
        pytest.param({"links": {"seed": 1}}, ["2", 0], id="a-socket"),
        pytest.param({"widget_links": {"seed": 1}}, ["2", 0], id="an-input-converted-from-a-widget"),
    ],
)
def test_a_link_replaces_the_value_of_its_widget(linked, expected):
    saved = document(node(2, "Number", 1), node(1, "Sample", 5, "fixed", **linked), links=[(1, 2, 0, 1, 0)])

    assert inputs_of(saved)["seed"] == expected


def test_an_input_that_the_definition_lacks_is_sent_under_its_name():
    saved = document(node(2, "Load"), node(1, "Number", 1, links={"extra": 1}), links=[(1, 2, 0, 1, 0)])

    assert inputs_of(saved) == {"value": 1, "extra": ["2", 0]}


def test_an_input_that_claims_a_widget_which_the_definition_lacks_is_dropped():
    saved = document(
        node(2, "Load"), node(1, "Number", 1, widget_links={"extra": 1}), links=[(1, 2, 0, 1, 0)]
    )

    assert inputs_of(saved) == {"value": 1}


def options(**choices):
    return {"options": [{"key": key, "inputs": {"required": inputs}} for key, inputs in choices.items()]}


INNER = ["COMFY_DYNAMICCOMBO_V3", options(flat={}, deep={"depth": ["INT", {"default": 3}]})]
DYNAMIC = {
    "Resize": node_type(
        {
            "mode": [
                "COMFY_DYNAMICCOMBO_V3",
                options(
                    scale={"by": ["FLOAT", {"default": 2.0}]},
                    size={
                        "width": ["INT", {}],
                        "seed": ["INT", {"control_after_generate": True}],
                        "like": ["IMAGE"],
                    },
                    nested={"kind": INNER},
                ),
            ],
            "method": [["near", "far"]],
        }
    )
}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([], {"mode": "scale", "mode.by": 2.0, "method": "near"}, id="the-first-choice"),
        pytest.param(["scale", 4, "far"], {"mode": "scale", "mode.by": 4, "method": "far"}, id="a-saved-one"),
        pytest.param(
            ["size", 64, 5, "fixed", "far"],
            {"mode": "size", "mode.width": 64, "mode.seed": 5, "method": "far"},
            id="the-layout-follows-the-value",
        ),
        pytest.param(
            ["nested", "deep", 9, "far"],
            {"mode": "nested", "mode.kind": "deep", "mode.kind.depth": 9, "method": "far"},
            id="nested",
        ),
        pytest.param(["gone", "far"], {"mode": "gone", "method": "far"}, id="a-value-that-is-no-choice"),
        pytest.param([None, "far"], {"mode": "scale", "mode.by": 2.0, "method": "far"}, id="null"),
    ],
)
def test_the_value_of_a_dynamic_combo_decides_what_follows_it(values, expected):
    assert widgets(node(1, "Resize", widgets_values=values), server=DYNAMIC) == expected


@pytest.mark.parametrize(("mode", "kept"), [("size", True), ("scale", False)])
def test_a_link_to_an_input_of_another_choice_is_gone(mode, kept):
    saved = document(
        node(2, "Load"), node(1, "Resize", mode, links={"mode.like": 1}), links=[(1, 2, 0, 1, 0)]
    )

    assert ("mode.like" in inputs_of(saved, server={**SERVER, **DYNAMIC})) is kept


def test_inputs_of_a_growing_group_keep_their_links():
    server = {
        **SERVER,
        "Batch": node_type(
            {
                "images": [
                    "COMFY_AUTOGROW_V3",
                    {"template": {"input": {"required": {"i": ["IMAGE"]}}, "prefix": "i"}},
                ]
            }
        ),
    }
    saved = document(
        node(2, "Load"),
        node(1, "Batch", widget_links={"images.i0": 1, "images.i7": 2}),
        links=[(1, 2, 0, 1, 0), (2, 2, 1, 1, 7)],
    )

    assert inputs_of(saved, server=server) == {"images.i0": ["2", 0], "images.i7": ["2", 1]}


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        pytest.param(OLD, ["40", "2.5", "true"], id="1.27"),
        pytest.param(NEW, [40, 2.5, True], id="1.49"),
        pytest.param(NEWEST, ["40", "2.5", "true"], id="1.58"),
    ],
)
def test_a_text_of_several_lines_may_hold_nothing_but_text(profile, expected):
    made = [inputs_of(document(node(1, "Text", value)), profile)["text"] for value in (40, 2.5, True)]

    assert made == expected
