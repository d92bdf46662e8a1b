import pytest
from tests.workflow.conversion.editor import (
    BOTH,
    NEW,
    OLD,
    SERVER,
    converted,
    document,
    inputs_of,
    node,
    node_type,
    subgraph,
)

VIEWER = {"Load3D": node_type({"model_file": [["a.glb"]], "image": ["LOAD_3D", {}], "width": ["INT", {}]})}
CAMERA = {"position": {"x": 1, "y": 2, "z": 3}, "zoom": 4}


def widgets(kind, required, values, profile=NEW):
    return inputs_of(document(node(1, kind, *values)), profile, server={kind: node_type(required)})


@pytest.mark.parametrize("profile", BOTH, ids=lambda profile: profile.name)
@pytest.mark.parametrize("flag", ["image_upload", "video_upload"])
def test_an_upload_button_takes_a_place_and_is_not_sent(profile, flag):
    required = {"file": [["a", "b"], {flag: True}]}

    assert widgets("LoadImage", required, ["b", "image", "surplus"], profile) == {"file": "b"}


@pytest.mark.parametrize(
    ("options", "value", "expected"),
    [
        pytest.param({}, "", "a.png", id="nothing-becomes-the-default"),
        pytest.param({}, ["b.png", "c.png"], "b.png", id="the-first-of-several"),
        pytest.param({"allow_batch": True}, ["b.png"], {"__value__": ["b.png"]}, id="all-of-them"),
        pytest.param({"image_folder": "output"}, "b.png", "b.png [output]", id="the-folder-is-appended"),
        pytest.param({"image_folder": "output"}, "b.png [temp]", "b.png [temp]", id="unless-one-is-named"),
    ],
)
def test_1_27_rewrites_the_file_of_an_upload_combo(options, value, expected):
    required = {"image": [["a.png"], {"image_upload": True, **options}]}

    assert widgets("LoadImage", required, [value], OLD) == {"image": expected}


def test_1_49_sends_the_file_of_an_upload_combo_as_it_is():
    assert widgets("LoadImage", {"image": [["a.png"], {"image_upload": True}]}, [""], NEW) == {"image": ""}


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        pytest.param(OLD, {"audio": "b.mp3", "audioUI": ""}, id="1.27-sends-the-player"),
        pytest.param(NEW, {"audio": "b.mp3"}, id="1.49-does-not"),
    ],
)
def test_audio_players_take_no_place(profile, expected):
    required = {"audio": [["a.mp3"], {"audio_upload": True}]}

    assert widgets("LoadAudio", required, ["b.mp3", "surplus"], profile) == expected


@pytest.mark.parametrize(("profile", "expected"), [(OLD, {"preview": ""}), (NEW, {})], ids=["1.27", "1.49"])
def test_a_preview_takes_no_saved_value(profile, expected):
    assert widgets("PreviewAny", {"source": ["*", {}]}, ["stale"], profile) == expected


def test_the_3d_buttons_take_places_and_are_sent():
    saved = document(node(1, "Load3D", "b.glb", "upload", "more", "clear", "", 640))

    inputs = inputs_of(saved, server=VIEWER)

    assert (inputs["upload 3d model"], inputs["clear"], inputs["width"]) == ("upload", "clear", 640)


@pytest.mark.parametrize(
    ("properties", "position"),
    [
        pytest.param({"Camera Config": {"state": CAMERA}}, CAMERA["position"], id="the-saved-camera"),
        pytest.param({}, {"x": 10, "y": 10, "z": 10.000000000000002}, id="an-untouched-one"),
    ],
)
def test_a_3d_viewer_sends_its_camera(properties, position):
    conversion = converted(document(node(1, "Load3D", properties=properties)), server=VIEWER)

    assert conversion.prompt["1"]["inputs"]["image"]["camera_info"]["position"] == position
    assert "its pictures are rendered by the browser" in conversion.warnings[0]


def test_a_3d_viewer_in_a_subgraph_sends_what_was_saved():
    inner = subgraph("inner", node(5, "Load3D", "a.glb", "", "", "", "saved"))
    saved = document(node(9, "inner"), definitions={"subgraphs": [inner]})

    assert inputs_of(saved, node_id="9:5", server=VIEWER)["image"] == "saved"


def test_a_recording_is_never_sent():
    conversion = converted(
        document(node(1, "RecordAudio", "old.webm")),
        server={"RecordAudio": node_type({"audio": ["AUDIO_RECORD", {}]})},
    )

    assert conversion.prompt["1"]["inputs"] == {"audio": ""}
    assert conversion.warnings == ["node 1 (RecordAudio): nothing is recorded outside the browser"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param(
            ["b", 0, "a", "b", ""],
            {"choice": "b", "index": 1, "option1": "a", "option2": "b", "option3": ""},
            id="chosen",
        ),
        pytest.param(
            ["z", 0, "a"], {"choice": "z", "index": -1, "option1": "a", "option2": ""}, id="no-such-option"
        ),
        pytest.param(
            ["z", 0, ""], {"choice": "z", "index": -1, "option1": ""}, id="an-empty-option-is-the-last"
        ),
    ],
)
def test_a_custom_combo_has_one_option_more_than_are_filled(values, expected):
    assert widgets("CustomCombo", {"choice": ["COMBO", {"options": []}]}, values) == expected


def test_a_curve_that_is_a_list_is_named_a_curve():
    assert widgets("Curve", {"it": ["CURVE", {}]}, [[[0, 0], [1, 1]]]) == {
        "it": {"__type__": "CURVE", "__value__": [[0, 0], [1, 1]]}
    }


def test_a_comparison_takes_no_saved_value():
    required = {"view": ["IMAGECOMPARE", {}], "steps": ["INT", {}]}

    assert widgets("Compare", required, [5]) == {"view": {"__value__": ["", ""]}, "steps": 5}


@pytest.mark.parametrize(
    ("profile", "expected"),
    [pytest.param(OLD, "New", id="1.27"), pytest.param(NEW, "T2IAdapterLoader", id="1.49")],
)
def test_only_1_27_knows_old_names_of_nodes(profile, expected):
    server = {"ControlNetLoader": node_type(display_name="New")}

    title = converted(document(node(1, "T2IAdapterLoader")), profile, server=server).prompt["1"]["_meta"][
        "title"
    ]

    assert title == expected


@pytest.mark.parametrize(
    ("title", "expected"),
    [pytest.param("Mine", "Mine", id="the-saved-one"), pytest.param("", "Loader", id="else-the-server's")],
)
def test_the_title_is_kept_for_people(title, expected):
    server = {"Load": {**SERVER["Load"], "display_name": "Loader"}}

    assert converted(document(node(1, "Load", title=title)), server=server).prompt["1"]["_meta"] == {
        "title": expected
    }


@pytest.mark.parametrize(("kind", "has_lineart"), [("Load3D", True), ("Load3DAnimation", False)])
def test_a_3d_viewer_of_1_27_draws_lines_too(kind, has_lineart):
    server = {kind: node_type({"model_file": [["a.glb"]], "image": ["LOAD_3D", {}]})}

    scene = inputs_of(document(node(1, kind)), OLD, server=server)["image"]

    assert ("lineart" in scene, "model_3d_info" in scene) == (has_lineart, False)


def test_the_advanced_3d_loader_has_no_buttons():
    server = {
        "Load3DAdvanced": node_type(
            {"model_file": [["a.glb"]], "viewport_state": ["LOAD_3D", {}], "width": ["INT", {}]}
        )
    }

    inputs = inputs_of(document(node(1, "Load3DAdvanced", "b.glb", "", 640)), server=server)

    assert (list(inputs), inputs["width"]) == (["model_file", "viewport_state", "width"], 640)
