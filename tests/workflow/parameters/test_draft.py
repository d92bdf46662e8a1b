import pytest

from comfywire.workflow import Workflow
from comfywire.workflow.parameters.parameters import Parameter

OBJECT_INFO = {
    "KSampler": {
        "input": {"required": {
            "model": ["MODEL"], "positive": ["CONDITIONING"], "negative": ["CONDITIONING"],
            "seed": ["INT", {"min": 0, "max": 2**64 - 1}],
            "steps": ["INT", {"min": 1, "max": 100, "step": 1, "tooltip": "How many."}],
            "cfg": ["FLOAT", {"min": 0.0, "max": 30.0, "step": 0.1}],
            "sampler_name": [["euler", "ddim"]],
        }},
        "output": ["LATENT"],
    },
    "Checkpoint": {"input": {"required": {"ckpt_name": [["a.safetensors"]]}}, "output": ["MODEL", "CLIP"]},
    "CLIPTextEncode": {
        "input": {"required": {"text": ["STRING", {"multiline": True}], "clip": ["CLIP"]}},
        "output": ["CONDITIONING"],
    },
    "ControlNet": {
        "input": {"required": {
            "positive": ["CONDITIONING"], "negative": ["CONDITIONING"], "strength": ["FLOAT"],
        }},
        "output": ["CONDITIONING", "CONDITIONING"],
    },
    "LoadImage": {"input": {"required": {"image": [["a.png"], {"image_upload": True}]}}, "output": ["IMAGE"]},
    "PrimitiveInt": {"input": {"required": {"value": ["INT", {"min": 1}]}}, "output": ["INT"]},
    "SaveImage": {"input": {"required": {"images": ["IMAGE"]}}, "output": [], "output_node": True},
}  # fmt: skip


def sampler(**inputs) -> dict:
    usual = {"seed": 5, "steps": 20, "cfg": 7.0, "sampler_name": "euler", "model": ["4", 0]}
    return {"class_type": "KSampler", "inputs": {**usual, **inputs}}


def text(words: str, title: str | None = None) -> dict:
    entry = {"class_type": "CLIPTextEncode", "inputs": {"text": words, "clip": ["4", 1]}}
    return entry if title is None else {**entry, "_meta": {"title": title}}


def titled(class_type: str, title: str, **inputs) -> dict:
    return {"class_type": class_type, "inputs": inputs, "_meta": {"title": title}}


CHECKPOINT = {"class_type": "Checkpoint", "inputs": {"ckpt_name": "a.safetensors"}}
TEXT_TO_IMAGE = {
    "3": sampler(positive=["6", 0], negative=["7", 0]),
    "4": CHECKPOINT,
    "6": text("a cat"),
    "7": text("blurry"),
    "9": {"class_type": "SaveImage", "inputs": {"images": ["3", 0]}},
}


def draft(prompt: dict):
    return Workflow.load(prompt, object_info=OBJECT_INFO).parameters()


def places(prompt: dict) -> dict[str, tuple[str, ...]]:
    return {name: parameter.inputs for name, parameter in draft(prompt).by_name.items()}


def test_the_usual_workflow_has_the_usual_parameters():
    assert places(TEXT_TO_IMAGE) == {
        "seed": ("3.seed",),
        "steps": ("3.steps",),
        "cfg": ("3.cfg",),
        "sampler": ("3.sampler_name",),
        "checkpoint": ("4.ckpt_name",),
        "prompt": ("6.text",),
        "negative": ("7.text",),
    }


def test_parameters_have_what_object_info_says():
    drafted = draft(TEXT_TO_IMAGE)

    steps, sampler_, prompt, seed = (drafted[name] for name in ("steps", "sampler", "prompt", "seed"))
    assert (steps.type, steps.default, steps.minimum, steps.maximum, steps.step) == ("int", 20, 1, 100, 1)
    assert steps.help == "How many."
    assert (sampler_.type, sampler_.choices) == ("choice", ("euler", "ddim"))
    assert (prompt.type, prompt.is_multiline, prompt.default) == ("text", True, "a cat")
    assert (seed.type, seed.minimum, seed.maximum) == ("seed", None, None)


@pytest.mark.parametrize(
    ("changes", "name", "kind"),
    [
        pytest.param({"sampler_name": "newer"}, "sampler", "choice", id="a-choice-of-another-server"),
        pytest.param({"steps": 5000}, "steps", "int", id="a-number-out-of-range"),
        pytest.param({"cfg": "a lot"}, "cfg", "any", id="a-text-where-a-number-belongs"),
    ],
)
def test_a_value_that_object_info_does_not_allow_lifts_the_limits(changes, name, kind):
    found = draft({**TEXT_TO_IMAGE, "3": sampler(**changes)})[name]

    assert (found.type, found.choices, found.maximum) == (kind, (), None)
    assert found.check(found.default) == found.default


def test_files_of_one_server_are_no_choices():
    checkpoint = draft(TEXT_TO_IMAGE)["checkpoint"]

    assert (checkpoint.type, checkpoint.choices, checkpoint.default) == ("choice", (), "a.safetensors")


def test_a_text_is_followed_through_other_nodes():
    prompt = {
        **TEXT_TO_IMAGE,
        "3": sampler(positive=["8", 0], negative=["8", 1]),
        "8": {
            "class_type": "ControlNet",
            "inputs": {"positive": ["6", 0], "negative": ["7", 0], "strength": 1.0},
        },
    }

    found = places(prompt)

    assert (found["prompt"], found["negative"]) == (("6.text",), ("7.text",))


def test_one_text_for_both_sides_is_the_prompt():
    found = places({**TEXT_TO_IMAGE, "3": sampler(positive=["6", 0], negative=["6", 0])})

    assert (found["prompt"], "negative" in found) == (("6.text",), False)


def test_a_text_that_leads_nowhere_is_called_by_its_title():
    found = places({**TEXT_TO_IMAGE, "8": text("a hat", "Second Idea")})

    assert found["second_idea"] == ("8.text",)


def test_a_single_text_without_a_sampler_is_the_prompt():
    assert places({"6": text("a cat"), "4": CHECKPOINT})["prompt"] == ("6.text",)


def test_links_in_a_circle_are_followed_once():
    prompt = {"8": {"class_type": "ControlNet", "inputs": {"positive": ["8", 0], "negative": ["99", 0]}}}

    assert "prompt" not in places(prompt)


def test_one_seed_drives_every_sampler():
    found = places({**TEXT_TO_IMAGE, "5": sampler(seed=6, steps=20, cfg=4.0)})

    assert found["seed"] == ("3.seed", "5.seed")
    assert found["steps"] == ("3.steps", "5.steps")
    assert (found["cfg"], found["cfg_2"]) == (("3.cfg",), ("5.cfg",))


@pytest.mark.parametrize(("other", "default"), [(6, None), (5, 5)], ids=["different-seeds", "one-seed"])
def test_a_draft_leaves_the_workflow_as_it_is(other, default):
    workflow = Workflow.load({**TEXT_TO_IMAGE, "5": sampler(seed=other)}, object_info=OBJECT_INFO)

    assert workflow.parameters()["seed"].default == default
    assert workflow.bind({}).workflow.prompt == workflow.prompt


def test_a_title_tells_the_second_from_the_first():
    found = places({**TEXT_TO_IMAGE, "5": {**sampler(steps=4), "_meta": {"title": "Refiner pass"}}})

    assert found["refiner_pass_steps"] == ("5.steps",)


def test_each_file_is_a_parameter_of_its_own():
    image = {"class_type": "LoadImage", "inputs": {"image": "a.png"}}

    drafted = draft({"1": image, "2": image})

    assert [(name, each.type) for name, each in drafted.by_name.items()] == [
        ("image", "image"),
        ("image_2", "image"),
    ]


@pytest.mark.parametrize(
    ("class_type", "input_name", "spec", "name"),
    [
        pytest.param(
            "LoadVideo", "file", [["a.mp4"], {"video_upload": True}], "video", id="a-file-by-its-kind"
        ),
        pytest.param("UpscaleModelLoader", "model_name", [["a.pth"]], "upscale_model", id="an-upscaler"),
        pytest.param("DepthLoader", "model_name", [["a.pth"]], "model", id="another-model"),
        pytest.param("SaveGLB", "image", None, None, id="what-the-editor-adds"),
        pytest.param("Odd", "image", ["STRING"], None, id="a-text-called-image"),
    ],
)
def test_an_input_is_called_by_what_it_takes(class_type, input_name, spec, name):
    known = {} if spec is None else {input_name: spec}
    object_info = {class_type: {"input": {"required": known}, "output": []}}
    workflow = Workflow(
        {"1": {"class_type": class_type, "inputs": {input_name: "a"}}}, object_info=object_info
    )

    assert [*workflow.parameters().by_name] == ([] if name is None else [name])


def test_a_primitive_is_called_by_its_title():
    drafted = draft({"1": titled("PrimitiveInt", "Frame Count", value=5)})

    assert (drafted["frame_count"].inputs, drafted["frame_count"].minimum) == (("1.value",), 1)


def loader(class_type: str) -> dict:
    return {"class_type": class_type, "inputs": {"image": "a.png"}}


@pytest.mark.parametrize(
    ("class_type", "slots", "found"),
    [
        pytest.param("LoadImageMask", [0], [("mask", "mask")], id="a-loader-of-masks"),
        pytest.param("LoadImage", [1], [("mask", "mask")], id="only-the-mask-is-used"),
        pytest.param("LoadImage", [0, 1], [("image", "image")], id="picture-and-mask-are-used"),
        pytest.param("LoadImage", [], [("image", "image")], id="nothing-is-used"),
    ],
)
def test_a_picture_that_is_loaded_for_its_mask_is_the_mask(class_type, slots, found):
    object_info = {class_type: OBJECT_INFO["LoadImage"]}
    links = {str(slot + 2): {"class_type": "Any", "inputs": {"x": ["1", slot]}} for slot in slots}

    drafted = Workflow.load({"1": loader(class_type), **links}, object_info=object_info).parameters()

    assert [(each.name, each.role) for each in drafted] == found


def test_a_linked_input_is_no_parameter():
    assert "steps" not in places({**TEXT_TO_IMAGE, "3": sampler(steps=["8", 0])})


P = Parameter


@pytest.mark.parametrize(
    ("node", "parameter"),
    [
        pytest.param(
            titled("KSampler", "$s.seed", seed=5),
            P("s", ("1.seed",), "seed", 5, group="Seed and batch"),
            id="a-name-and-an-input",
        ),
        pytest.param(
            titled("CLIPTextEncode", "$p", text="x"),
            P("p", ("1.text",), "text", "x", is_multiline=True, group="Words"),
            id="only-a-name",
        ),
        pytest.param(
            titled("CLIPTextEncode", "$p!", text="x"),
            P("p", ("1.text",), "text", is_multiline=True, is_required=True, group="Words"),
            id="required",
        ),
        pytest.param(
            titled("CLIPTextEncode", "$p.text!: What to draw", text="x"),
            P(
                "p",
                ("1.text",),
                "text",
                is_multiline=True,
                is_required=True,
                help="What to draw",
                group="Words",
            ),
            id="with-help",
        ),
        pytest.param(
            titled("LoadImage", "$photo.~image", image="a.png"),
            P("photo", ("1.image",), "image", "a.png", group="Files", role="image"),
            id="file",
        ),
        pytest.param(
            titled("Odd", "$clip.~path", path="a"),
            P("clip", ("1.path",), "file", "a", group="Files"),
            id="a-file-of-an-odd-node",
        ),
        pytest.param(titled("Odd", "$x", odd=1.5), P("x", ("1.odd",), "float", 1.5), id="the-first-input"),
    ],
)
def test_a_title_declares_a_parameter(node, parameter):
    drafted = draft({"1": node, "2": sampler(model=["1", 0])})

    assert drafted.by_name == {parameter.name: parameter}


def test_titles_that_declare_one_name_drive_several_inputs():
    found = places({"1": titled("KSampler", "$s.seed", seed=5), "2": titled("KSampler", "$s.seed", seed=6)})

    assert found == {"s": ("1.seed", "2.seed")}


@pytest.mark.parametrize(
    ("titles", "names"),
    [
        pytest.param(["Final"], {"final": ("1",)}, id="a-title"),
        pytest.param([None], {"save_image": ("1",)}, id="no-title"),
        pytest.param([None, None], {"save_image": ("1",), "save_image_2": ("2",)}, id="twice"),
        pytest.param(["$final"], {"final": ("1",)}, id="declared"),
        pytest.param(["$output.final"], {"final": ("1",)}, id="declared-as-an-output"),
        pytest.param(["成品"], {"output": ("1",)}, id="letters-that-make-no-name"),
    ],
)
def test_outputs_are_named(titles, names):
    prompt = {
        str(number): {"class_type": "SaveImage", "inputs": {}, "_meta": {"title": title}}
        for number, title in enumerate(titles, start=1)
    }

    assert draft(prompt).outputs == names
    assert places(prompt) == {}
