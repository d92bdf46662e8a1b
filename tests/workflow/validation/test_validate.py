import pytest

from comfywire.workflow import ObjectInfo, Workflow
from comfywire.workflow.validation.problems import Effect
from comfywire.workflow.validation.validate import validate

OBJECT_INFO = {
    "Loader": {
        "input": {"required": {"ckpt_name": [["sd15.safetensors", "sdxl.safetensors"]]}},
        "output": ["MODEL", "IMAGE"],
        "output_name": ["model", "picture"],
        "search_aliases": [],
    },
    "LoadImage": {
        "input": {"required": {"image": [["cat.png"], {"image_upload": True}]}},
        "output": ["IMAGE", "MASK"],
    },
    "PackLoad": {"input": {"required": {"video": [["a.mp4"], {"video_upload": True}]}}, "output": ["IMAGE"]},
    "Sampler": {
        "input": {
            "required": {
                "model": ["MODEL"],
                "steps": ["INT", {"default": 20, "min": 1, "max": 100}],
                "name": ["COMBO", {"options": ["euler", "euler_ancestral", "ddim"]}],
            },
            "optional": {"denoise": ["FLOAT", {"min": 0.0, "max": 1.0}]},
        },
        "output": ["IMAGE"],
    },
    "Save": {"input": {"required": {"images": ["IMAGE"]}}, "output": [], "output_node": True},
    "Invert": {"input": {"required": {"image": ["IMAGE"]}}, "output": ["IMAGE"]},
}


def workflow(**changes) -> Workflow:
    prompt: dict = {
        "1": {"class_type": "Loader", "inputs": {"ckpt_name": "sd15.safetensors"}},
        "2": {
            "class_type": "Sampler",
            "inputs": {"model": ["1", 0], "steps": 20, "name": "euler"},
            "_meta": {"title": "Draw"},
        },
        "3": {"class_type": "Save", "inputs": {"images": ["2", 0]}},
    }
    for key, value in changes.items():
        prompt["2"]["inputs"][key] = value
    return Workflow(prompt, object_info=OBJECT_INFO)


def test_a_workflow_in_order_has_no_problems():
    assert workflow().validate() == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        pytest.param(
            {"name": "eular"},
            "node 2 (Sampler 'Draw'): 'name' is 'eular', which is not offered; did you mean 'euler'?",
            id="a-choice-that-is-not-offered",
        ),
        pytest.param(
            {"name": "zzz"},
            "node 2 (Sampler 'Draw'): 'name' is 'zzz', which is not offered; "
            "the server offers euler, euler_ancestral, ddim",
            id="nothing-like-it",
        ),
        pytest.param(
            {"steps": 0}, "node 2 (Sampler 'Draw'): 'steps' is 0, but must be from 1 to 100", id="too-small"
        ),
        pytest.param(
            {"denoise": 2},
            "node 2 (Sampler 'Draw'): 'denoise' is 2.0, but must be from 0.0 to 1.0",
            id="too-large",
        ),
        pytest.param(
            {"steps": "many"},
            "node 2 (Sampler 'Draw'): 'steps' takes a whole number, not 'many'",
            id="no-number",
        ),
        pytest.param(
            {"model": ["1", 1]},
            "node 2 (Sampler 'Draw'): 'model' takes MODEL, but is linked to an output that gives IMAGE",
            id="a-link-of-the-wrong-type",
        ),
        pytest.param(
            {"model": ["1", 7]},
            "node 2 (Sampler 'Draw'): 'model' is linked to output 7 of node 1 (Loader), "
            "which has 0 model, 1 picture",
            id="an-output-that-is-not-there",
        ),
        pytest.param(
            {"model": ["11", 0]},
            "node 2 (Sampler 'Draw'): 'model' is linked to node '11', which is not there; did you mean '1'?",
            id="a-node-that-is-not-there",
        ),
        pytest.param(
            {"model": [1, 0]},
            "node 2 (Sampler 'Draw'): 'model' is linked to node 1 as a number; ids in links are texts, '1'",
            id="an-id-that-is-a-number",
        ),
        pytest.param(
            {"steps": [1, 2, 3]},
            "node 2 (Sampler 'Draw'): 'steps' is a list, which means a link, [node_id, slot]; "
            "a list of values is {'__value__': [...]}",
            id="a-list",
        ),
    ],
)
def test_a_mistake_is_told_in_one_sentence(changes, sentence):
    [problem] = [each for each in workflow(**changes).validate() if each.effect is Effect.REFUSED]

    assert str(problem) == sentence
    assert (problem.node_id, problem.title, problem.class_type) == ("2", "Draw", "Sampler")
    assert problem.outputs == ("3",)


def test_a_problem_has_what_is_allowed_with_the_nearest():
    [problem] = workflow(name="eular").validate()

    assert problem.allowed == ("euler", "euler_ancestral", "ddim")
    assert problem.nearest[0] == "euler"
    assert (problem.type, problem.input, problem.value) == ("value_not_in_list", "name", "eular")


def test_a_missing_input_names_what_the_editor_would_send():
    broken = workflow()
    del broken["Draw"].steps

    [problem] = broken.validate()

    assert problem.sentence == (
        "node 2 (Sampler 'Draw'): 'steps' is missing: it takes INT; the editor would send 20"
    )


def test_an_unknown_type_is_named_with_near_matches_beside_everything_else():
    broken = workflow(steps=0)
    broken.prompt["3"]["class_type"] = "Sav"
    broken.prompt["4"] = {"class_type": "Save", "inputs": {"images": ["2", 0]}}

    unknown, steps = broken.validate()

    assert unknown.sentence == ("node 3 (Sav): this type of node is not installed; did you mean 'Save'?")
    assert (unknown.type, unknown.is_reported) == ("missing_node_type", True)
    assert (steps.input, steps.is_reported, steps.effect) == ("steps", False, Effect.REFUSED)


def test_a_type_that_only_shares_words_with_another_is_taken_for_one_of_a_node_pack():
    broken = workflow()
    broken.prompt["3"]["class_type"] = "SaveFancy"

    assert broken.validate()[0].sentence == (
        "node 3 (SaveFancy): this type of node is not installed; install the node pack that has it, "
        "or remove the node"
    )


def test_a_node_without_a_type_is_named():
    broken = workflow()
    del broken.prompt["2"]["class_type"]

    assert "has no class_type" in broken.validate()[0].sentence


def test_a_workflow_that_shows_nothing_is_refused():
    [problem] = workflow().without("3").validate()

    assert (problem.type, problem.node_id) == ("prompt_no_outputs", None)
    assert problem.sentence.startswith("the workflow has no node that saves or shows anything")


def test_with_one_good_output_the_bad_one_is_dropped():
    half = workflow(steps=0)
    half.prompt["4"] = {"class_type": "LoadImage", "inputs": {"image": "cat.png"}}
    half.prompt["5"] = {"class_type": "Save", "inputs": {"images": ["4", 0]}}

    [problem] = half.validate()

    assert (problem.effect, problem.outputs) == (Effect.DROPPED, ("3",))


def test_targets_leave_other_outputs_alone():
    both = workflow(steps=0)
    both.prompt["5"] = {"class_type": "Save", "inputs": {"images": ["1", 1]}}

    assert [problem.type for problem in both.validate(targets=["5"])] == ["unused_node", "unused_node"]


@pytest.mark.parametrize(
    ("name", "has_file", "sentence"),
    [
        pytest.param("cat.png", None, None, id="listed"),
        pytest.param("cta.png", None, "did you mean 'cat.png'", id="not-listed"),
        pytest.param("sub/dog.png", None, None, id="in-a-folder-that-no-list-reaches"),
        pytest.param("dog.png [output]", None, None, id="in-another-folder"),
        pytest.param("cat.png [input]", None, None, id="listed-with-its-folder"),
        pytest.param("sub/dog.png", lambda _: False, "upload it first", id="not-there"),
        pytest.param("dog.png", lambda _: True, None, id="there-though-not-listed"),
        pytest.param(5, None, "takes the name of a file", id="no-name"),
    ],
)
def test_a_file_is_looked_for_on_the_server(name, has_file, sentence):
    prompt = {
        "1": {"class_type": "LoadImage", "inputs": {"image": name}},
        "2": {"class_type": "Save", "inputs": {"images": ["1", 0]}},
    }

    problems = Workflow(prompt, object_info=OBJECT_INFO).validate(has_file=has_file)

    assert [sentence in str(problem) for problem in problems] == ([] if sentence is None else [True])


def test_a_node_pack_with_an_upload_button_is_taken_to_check_its_file():
    prompt = {
        "1": {"class_type": "PackLoad", "inputs": {"video": "sub/b.mp4"}},
        "2": {"class_type": "Save", "inputs": {"images": ["1", 0]}},
    }

    assert Workflow(prompt, object_info=OBJECT_INFO).validate() == []


@pytest.mark.parametrize(
    ("model", "count"), [("none", 0), ("", 0), ("gone.glb", 1)], ids=["the-word-none", "nothing", "not-there"]
)
def test_a_3d_model_need_not_be_chosen(model, count):
    load3d = {
        "input": {"required": {"model_file": [["a.glb", "none"], {"file_upload": True}]}},
        "output": ["IMAGE"],
    }
    prompt = {
        "1": {"class_type": "Load3D", "inputs": {"model_file": model}},
        "2": {"class_type": "Save", "inputs": {"images": ["1", 0]}},
    }

    workflow_ = Workflow(prompt, object_info={**OBJECT_INFO, "Load3D": load3d})

    assert len(workflow_.validate(has_file=lambda _: False)) == count


def test_a_cycle_is_shown_as_a_way_round():
    prompt = {
        "1": {"class_type": "Invert", "inputs": {"image": ["2", 0]}},
        "2": {"class_type": "Invert", "inputs": {"image": ["1", 0]}},
        "3": {"class_type": "Save", "inputs": {"images": ["2", 0]}},
    }

    problems = Workflow(prompt, object_info=OBJECT_INFO).validate()

    assert [(problem.node_id, problem.type) for problem in problems] == [
        ("1", "dependency_cycle"),
        ("2", "dependency_cycle"),
    ]
    assert "it depends on itself: 1 -> 2 -> 1" in str(problems[0])


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        pytest.param({"how": "png"}, None, id="a-choice"),
        pytest.param({}, "node 1 (Write): 'how' is missing; the server offers png, exr", id="none"),
        pytest.param(
            {"how": "pgn"}, "node 1 (Write): 'how' is 'pgn', which is not offered; ", id="not-offered"
        ),
    ],
)
def test_a_dynamic_choice_that_the_server_overlooks_fails_later(inputs, sentence):
    options: list = [{"key": key, "inputs": {"required": {}}} for key in ("png", "exr")]
    how = ["COMFY_DYNAMICCOMBO_V3", {"options": options}]
    object_info = {"Write": {"input": {"required": {"how": how}}, "output": [], "output_node": True}}

    problems = Workflow({"1": {"class_type": "Write", "inputs": inputs}}, object_info=object_info).validate()

    assert [(str(each).startswith(sentence), each.effect) for each in problems] == (
        [(True, Effect.FAILS)] if sentence else []
    )


def test_what_the_server_ignores_is_said():
    odd = workflow(denois=0.5, upload="image")
    odd.prompt["4"] = {"class_type": "Invert", "inputs": {"image": ["2", 0]}}

    unknown, unused = odd.validate()

    assert unknown.sentence == "node 2 (Sampler 'Draw'): it has no input 'denois'; did you mean 'denoise'?"
    assert unused.sentence.startswith("node 4 (Invert): nothing that is saved or shown depends on it")
    assert {unknown.effect, unused.effect} == {Effect.IGNORED}


@pytest.mark.parametrize(
    ("version", "count"),
    [("0.3.64", 0), ("0.8.0", 1), ("0.33.0", 1), ("fork", 1), (None, 1)],
)
def test_choices_of_newer_combos_are_checked_from_0_8_0(version, count):
    assert len(workflow(name="eular").validate(version=version)) == count


@pytest.mark.parametrize("version", ["0.3.64", "0.9.1"])
def test_older_servers_have_another_word_for_an_unknown_type(version):
    broken = workflow()
    broken.prompt["3"]["class_type"] = "Sav"

    assert broken.validate(version=version)[0].type == "invalid_prompt"


def test_a_node_that_is_no_object_is_refused():
    broken = workflow()
    prompt: dict = {**broken.prompt, "4": "x"}

    [problem] = validate(prompt, broken.object_info)

    assert problem.sentence == ("node 4 is a str, not an object with class_type and inputs; remove it")


def test_validating_changes_nothing():
    checked = workflow(steps="7")

    checked.validate()

    assert checked["Draw"].steps == "7"


def test_inputs_that_a_packs_browser_half_adds_are_not_called_unknown():
    server = {
        "VHS_VideoCombine": {
            "input": {
                "required": {"format": [["mp4"], {"formats": {"mp4": [["crf", "INT", {"default": 19}]]}}]}
            },
            "output": [],
            "output_node": True,
        },
        "Power Lora Loader (rgthree)": {"input": {}, "output": [], "output_node": True},
    }
    prompt = {
        "1": {"class_type": "VHS_VideoCombine", "inputs": {"format": "mp4", "crf": 23, "odd": 1}},
        "2": {"class_type": "Power Lora Loader (rgthree)", "inputs": {"lora_12": {}, "other_1": 5}},
    }

    found = validate(prompt, ObjectInfo(server))

    assert [(problem.node_id, problem.input) for problem in found] == [("1", "odd"), ("2", "other_1")]


@pytest.mark.parametrize(
    ("kind", "is_left_to_it"), [("VHS_LoadImages", True), ("LatentReceiver", True), ("Elsewhere", False)]
)
def test_choices_are_left_to_the_packs_that_are_known_to_check_them(kind, is_left_to_it):
    name = "latent" if kind == "LatentReceiver" else "directory"
    server = {kind: {"input": {"required": {name: [["a"]]}}, "output": [], "output_node": True}}

    found = validate({"1": {"class_type": kind, "inputs": {name: "b"}}}, ObjectInfo(server))

    assert (found == []) is is_left_to_it
