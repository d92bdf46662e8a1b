"""What single packs do, beyond the pairs in ../handmade/packs."""

import pytest
from tests.workflow.conversion.editor import converted, document, inputs_of, node, node_type

CUSTOM = "custom_nodes.Some-Pack"
LOADER = {"video": ["STRING", {}], "custom_width": ["INT", {}], "custom_height": ["INT", {}]}
SERVER = {
    "VHS_LoadVideo": node_type(LOADER, python_module=CUSTOM),
    "VHS_LoadImages": node_type(
        {
            "directory": ["STRING", {}],
            "image_load_cap": ["INT", {}],
            "skip_first_images": ["INT", {}],
            "select_every_nth": ["INT", {}],
        },
        python_module=CUSTOM,
    ),
    "Power Lora Loader (rgthree)": node_type(optional={"model": ["MODEL"]}, python_module=CUSTOM),
    "KSampler (Efficient)": node_type({"seed": ["INT", {}], "steps": ["INT", {}]}, python_module=CUSTOM),
    "easy fullLoader": node_type({"resolution": [["width x height (custom)", "512 x 512"]]}),
    "PainterNode": node_type({"image": [[]]}, python_module=CUSTOM),
    "PreviewBridge": node_type({"image": ["STRING", {}]}, python_module=CUSTOM),
    "SplineEditor": node_type({"points_store": ["STRING", {}], "coordinates": ["STRING", {}]}),
    "Lora Loader (LoraManager)": node_type(
        {"text": ["AUTOCOMPLETE_TEXT_LORAS", {}], "loras": ["LORAS", {}]}, python_module=CUSTOM
    ),
}


def inputs(saved, **more):
    return inputs_of(document(saved), server=SERVER, **more)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ("Disabled", (0, 0)),
        ("256x?", (256, 0)),
        ("?x512", (0, 512)),
        ("512x768", (512, 768)),
        ("Custom Width", (640, 0)),
        ("Custom Height", (0, 360)),
        ("Custom", (640, 360)),
        (None, (640, 360)),
    ],
)
def test_force_size_became_two_numbers(size, expected):
    saved = {"video": "a.mp4", "force_size": size, "custom_width": 640, "custom_height": 360}

    made = inputs(node(1, "VHS_LoadVideo", widgets_values=saved))

    assert (made["custom_width"], made["custom_height"]) == expected


def test_an_old_list_of_pictures_has_a_place_for_the_button():
    made = inputs(node(1, "VHS_LoadImages", "frames", None, 16, 2, 3))

    assert list(made.values()) == ["frames", 16, 2, 3]


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("Single Strength", [{"lora": "a", "strength": 0.5}, {"lora": None, "on": False}]),
        (
            "Separate Model & Clip",
            [
                {"lora": "a", "strength": 0.5, "strengthTwo": 0.25},
                {"lora": None, "on": False, "strengthTwo": 1},
            ],
        ),
    ],
)
def test_the_power_lora_loader_sends_its_rows(shown, expected):
    rows = [{}, {"type": "Header"}, {"lora": "a", "strength": 0.5, "strengthTwo": 0.25}, None]
    saved = node(1, "Power Lora Loader (rgthree)", *rows, {"lora": None, "on": False})

    made = inputs({**saved, "properties": {"Show Strengths": shown}})

    assert made == {"lora_1": expected[0], "lora_2": expected[1]}


def test_a_seed_of_minus_one_is_drawn_where_the_server_takes_none():
    made = inputs(node(1, "KSampler (Efficient)", -1, None, 20), choose=lambda options: options[7])

    assert made == {"seed": 7, "steps": 20}
    assert inputs(node(1, "KSampler (Efficient)", 5, None, 20))["seed"] == 5


@pytest.mark.parametrize(
    ("saved", "name", "expected"),
    [
        pytest.param(
            node(1, "easy fullLoader", "自定义 x 自定义"), "resolution", "width x height (custom)", id="easy"
        ),
        pytest.param(node(1, "easy fullLoader", "512 x 512"), "resolution", "512 x 512", id="easy-chosen"),
        pytest.param(node(1, "PainterNode", "Paint_0.png"), "image", "Paint_1.png", id="painter"),
        pytest.param(node(1, "PreviewBridge", {"filename": "a.png"}), "image", "$1-0", id="bridge"),
        pytest.param(node(1, "PreviewBridge", "a.png"), "image", "a.png", id="bridge-with-a-picture"),
        pytest.param(
            node(1, "SplineEditor", '[{"x":1,"y":2}]', '[{"x":1,"y":2}]'),
            "coordinates",
            '[[{"x":1,"y":2}]]',
            id="one-spline-of-an-older-editor",
        ),
    ],
)
def test_a_value_is_sent_as_the_pack_sends_it(saved, name, expected):
    assert inputs(saved)[name] == expected


@pytest.mark.parametrize("hidden", [[], [{"version": 1, "textWidgetName": "text"}]], ids=["old", "new"])
def test_lora_manager_writes_the_strengths_of_its_list_into_the_text(hidden):
    listed = [{"name": "a", "strength": 0.8}, {"name": "b", "strength": 1, "clipStrength": 0.5}]

    made = inputs(node(1, "Lora Loader (LoraManager)", *hidden, "<lora:a:0.2> <lora:b:1> <lora:c:1>", listed))

    assert made["text"] == "<lora:a:0.80> <lora:b:1.00:0.50> <lora:c:1>"
    assert made["loras"]["__value__"][0] == {
        "name": "a",
        "strength": 0.8,
        "active": True,
        "expanded": False,
        "clipStrength": 0.8,
        "selected": False,
        "locked": False,
    }


@pytest.mark.parametrize(
    "kind",
    [
        "mxReroute",
        "Reroute (rgthree)",
    ],
)
def test_a_packs_reroute_is_a_way_through(kind):
    saved = document(
        node(1, "Blend", 0.5, links={"image": 2}),
        node(2, kind, links={"": 1}),
        node(3, "Load", "a.png"),
        links=[(1, 3, 0, 2, 0), (2, 2, 0, 1, 0)],
    )

    assert converted(saved).prompt["1"]["inputs"]["image"] == ["3", 0]


@pytest.mark.parametrize(
    "kind",
    ["Note Plus (mtb)", "easy bookmark", "Show Metadata [Crystools]", "Node Combiner (rgthree)"],
)
def test_what_exists_only_in_the_browser_is_not_sent(kind):
    done = converted(document(node(1, kind, "text"), node(2, "Text", "a")))

    assert (list(done.prompt), done.warnings) == (["2"], [])


def test_easy_uses_own_pair_stands_for_a_link():
    saved = document(
        node(1, "Blend", 0.5, links={"image": 2}),
        node(2, "easy getNode", "here"),
        node(3, "easy setNode", "here", links={"x": 1}),
        node(4, "Load", "a.png"),
        links=[(1, 4, 0, 3, 0), (2, 2, 0, 1, 0)],
    )

    assert converted(saved).prompt["1"]["inputs"]["image"] == ["4", 0]
