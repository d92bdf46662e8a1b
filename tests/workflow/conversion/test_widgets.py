import pytest
from tests.workflow.conversion.editor import BOTH, NEW, OLD

from comfywire.workflow.conversion.layout import ABSENT
from comfywire.workflow.conversion.widgets import lay_out
from comfywire.workflow.object_info import parse_inputs

CONTROL = "control_after_generate"
CHOICES = ["x", "y"]


def layout(profile=NEW, **required):
    return lay_out(parse_inputs({"required": required}).values(), profile)


@pytest.mark.parametrize(
    ("spec", "default"),
    [
        pytest.param(["INT", {}], 0, id="int"),
        pytest.param(["INT", {"default": None}], 0, id="null-is-no-default"),
        pytest.param(["INT", {"default": 5}], 5, id="the-server's"),
        pytest.param(["FLOAT", {}], 0, id="float"),
        pytest.param(["BOOLEAN", {}], False, id="boolean"),
        pytest.param(["STRING", {}], "", id="text"),
        pytest.param([CHOICES], "x", id="the-first-choice"),
        pytest.param(["COMBO", {"options": CHOICES, "default": "y"}], "y", id="a-choice"),
        pytest.param(["COMBO", {"options": CHOICES, "default": ""}], "x", id="a-falsy-choice-is-none"),
        pytest.param([[]], ABSENT, id="nothing-to-choose"),
        pytest.param(
            ["COMBO", {"remote": {"route": "/x"}}], "Loading...", id="choices-that-the-browser-fetches"
        ),
        pytest.param(["COMBO", {"options": CHOICES, "multi_select": True}], [], id="several-choices"),
        pytest.param(["COLOR", {}], "#000000", id="colour"),
        pytest.param(["BOUNDING_BOX", {}], {"x": 0, "y": 0, "width": 512, "height": 512}, id="box"),
        pytest.param(["IMAGECOMPARE", {}], ["", ""], id="comparison"),
        pytest.param(["COMFY_DYNAMICCOMBO_V3", {"options": [{"key": "a"}, {"key": "b"}]}], "a", id="dynamic"),
    ],
)
def test_a_widget_without_a_saved_value_has_a_default(spec, default):
    assert layout(it=spec).widgets[0].default == default


@pytest.mark.parametrize(
    ("profile", "name", "spec", "companions"),
    [
        pytest.param(NEW, "seed", ["INT", {}], [CONTROL], id="a-seed"),
        pytest.param(NEW, "noise_seed", ["INT", {}], [CONTROL], id="a-noise-seed"),
        pytest.param(NEW, "seed", ["INT", {CONTROL: False}], [], id="a-seed-that-says-no"),
        pytest.param(NEW, "steps", ["INT", {}], [], id="another-number"),
        pytest.param(NEW, "steps", ["INT", {CONTROL: True}], [CONTROL], id="another-that-says-yes"),
        pytest.param(NEW, "cfg", ["FLOAT", {CONTROL: True}], [CONTROL], id="a-float"),
        pytest.param(OLD, "cfg", ["FLOAT", {CONTROL: True}], [], id="a-float-in-1.27"),
        pytest.param(NEW, "it", [CHOICES, {CONTROL: True}], [CONTROL, "control_filter_list"], id="a-combo"),
        pytest.param(
            NEW,
            "it",
            ["COMBO", {"remote": {"refresh_button": True}}],
            ["Auto-refresh after generation", "refresh"],
            id="a-remote-combo",
        ),
        pytest.param(NEW, "it", ["BOUNDING_BOX", {}], ["x", "y", "width", "height"], id="a-box"),
    ],
)
def test_the_editor_adds_companions_that_take_places(profile, name, spec, companions):
    assert [one.name for one in layout(profile, **{name: spec}).widgets[1:]] == companions


def test_companions_are_not_sent_but_for_the_refresh_button():
    widgets = layout(it=["COMBO", {"remote": {"refresh_button": True}, CONTROL: True}]).widgets

    assert [one.name for one in widgets if one.is_sent] == ["it", "refresh"]


def test_plain_inputs_come_before_those_with_widgets():
    made = layout(seed=["INT", {}], model=["MODEL"], text=["STRING", {"forceInput": True}], name=[CHOICES])

    assert [socket.name for socket in made.sockets] == ["model", "text", "seed", "name"]


def test_an_input_without_a_socket_has_a_widget_only():
    made = layout(curve=["CURVE", {"socketless": True}])

    assert (made.sockets, [one.name for one in made.widgets]) == ((), ["curve"])


def test_the_widget_type_beside_the_type_counts():
    made = layout(rate=["FLOAT,INT", {"widgetType": "FLOAT", "default": 25.0}])

    assert (made.widgets[0].default, made.sockets[0].type) == (25.0, "FLOAT,INT")


@pytest.mark.parametrize("profile", BOTH, ids=lambda profile: profile.name)
def test_each_front_end_knows_its_own_widgets(profile):
    made = layout(profile, files=["FILEUPLOAD", {}], curve=["CURVE", {}])

    assert [one.name for one in made.widgets] == (["curve"] if profile is NEW else ["files"])


MODE = [
    "COMFY_DYNAMICCOMBO_V3",
    {
        "options": [
            {"key": "off", "inputs": {"required": {}}},
            {
                "key": "on",
                "inputs": {"required": {"mask": ["MASK"], "seed": ["INT", {}], "size": ["INT", {}]}},
            },
        ]
    },
]


def test_the_choice_of_a_dynamic_combo_brings_inputs_in_its_own_order():
    chosen = layout(mode=MODE).widgets[0].variants["on"]

    assert [socket.name for socket in chosen.sockets] == ["mode.mask", "mode.seed", "mode.size"]
    assert [one.name for one in chosen.widgets] == ["mode.seed", "mode.size"]


def grow(**template):
    return ["COMFY_AUTOGROW_V3", {"template": {"input": {"required": {"image": ["IMAGE"]}}, **template}}]


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        pytest.param(grow(prefix="im", min=1), ["it.im0", "it.im1"], id="one-more-than-the-least"),
        pytest.param(grow(prefix="im", min=0), ["it.im0"], id="at-least-one"),
        pytest.param(grow(prefix="im", min=3, max=3), ["it.im0", "it.im1", "it.im2"], id="at-most-the-most"),
        pytest.param(grow(names=["a", "b"], min=1), ["it.a", "it.b"], id="by-name"),
        pytest.param(
            [
                "COMFY_AUTOGROW_V3",
                {
                    "template": {
                        "input": {"required": {"im": ["IMAGE"], "ma": ["MASK"]}},
                        "prefix": "p",
                        "min": 0,
                    }
                },
            ],
            ["it.im0", "it.ma0"],
            id="several-in-a-group",
        ),
    ],
)
def test_a_growing_group_starts_with_a_few_inputs(spec, names):
    assert [socket.name for socket in layout(it=spec).sockets] == names


def test_a_match_type_accepts_what_its_template_allows():
    made = layout(
        it=["COMFY_MATCHTYPE_V3", {"template": {"template_id": "t", "allowed_types": "IMAGE,MASK"}}]
    )

    assert (made.sockets[0].type, made.sockets[0].match_group) == ("IMAGE,MASK", "t")
