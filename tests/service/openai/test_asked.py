"""From the fields of a body to the inputs of a workflow: nothing runs here."""

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.server.wire import text_to_image

from comfywire.service.openai.asked import Files, entries_of, size_of
from comfywire.service.openai.errors import BadRequest
from comfywire.service.workflows.records import WorkflowRecord
from comfywire.workflow import Parameter, Parameters, Workflow

NOW = datetime.now(UTC)
DRAWN = 10**6


def record(*parameters: Parameter, **options: Any) -> WorkflowRecord:
    drafted = Workflow(text_to_image()).parameters()
    known = Parameters({each.name: each for each in parameters}) if parameters else drafted
    return WorkflowRecord(
        name="draw", version=1, key_id=uuid.UUID(int=0), description="", prompt=text_to_image(),
        document=None, parameters=known, options=options, created_at=NOW, retired_at=None,
    )  # fmt: skip


def entries(workflow: WorkflowRecord, fields: dict[str, Any], files: Files | None = None) -> Any:
    return entries_of(workflow, fields, files, new_seed=lambda: DRAWN)


DRAW = record(qualities={"low": {"steps": 1}, "high": {"steps": 9, "cfg": 3}})
SEED = Parameter("seed", ("3.seed",), "seed")
PICTURES = record(
    Parameter("first", ("1.image",), "image"),
    Parameter("second", ("2.image",), "image"),
    Parameter("where", ("3.image",), "mask"),
)


@pytest.mark.parametrize(
    ("fields", "inputs"),
    [
        pytest.param({"prompt": "a boat"}, {"prompt": "a boat"}, id="prompt"),
        pytest.param({"size": "640x480"}, {"width": 640, "height": 480}, id="size"),
        pytest.param({"size": "auto"}, {}, id="the-workflows-own-size"),
        pytest.param({"quality": "high"}, {"steps": 9, "cfg": 3}, id="a-declared-quality"),
        pytest.param({"quality": "auto", "background": "auto"}, {}, id="auto-leaves-everything"),
        pytest.param({"output_format": "png", "output_compression": "100"}, {}, id="what-comes-anyway"),
        pytest.param({"negative_prompt": "fog"}, {"negative": "fog"}, id="by-role"),
        pytest.param({"cfg": 4.5}, {"cfg": 4.5}, id="an-input-of-that-name"),
        pytest.param({"user": "me", "moderation": "low"}, {}, id="about-the-caller"),
        pytest.param({"cfg": None, "size": None}, {}, id="null-is-as-if-not-said"),
    ],
)
def test_fields_are_inputs(fields, inputs):
    (entry,) = entries(DRAW, fields)

    assert entry == {"seed": "random", **inputs}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        pytest.param({"size": "large"}, "size", id="no-size"),
        pytest.param({"size": "0x64"}, "size", id="no-width"),
        pytest.param({"quality": "medium"}, "quality", id="a-quality-that-is-not-declared"),
        pytest.param({"background": "transparent"}, "background", id="transparent"),
        pytest.param({"output_format": "webp"}, "output_format", id="another-format"),
        pytest.param({"output_compression": 50}, "output_compression", id="compression"),
        pytest.param({"style": "natural"}, "style", id="style"),
        pytest.param({"colour": "red"}, "colour", id="no-such-input"),
        pytest.param({"cfg": 3, "quality": "high"}, "quality", id="twice"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_its_field(fields, param):
    with pytest.raises(BadRequest) as refused:
        entries(DRAW, fields)

    assert refused.value.param == param


def test_a_refused_quality_comes_with_those_that_there_are():
    with pytest.raises(BadRequest, match="auto or standard or low or high"):
        entries(DRAW, {"quality": "hd"})


def test_a_workflow_without_a_prompt_takes_an_empty_one():
    assert entries(record(SEED), {"prompt": ""}) == [{"seed": "random"}]
    with pytest.raises(BadRequest, match="takes no prompt"):
        entries(record(SEED), {"prompt": "a boat"})


def test_a_workflow_whose_size_cannot_be_set_says_so():
    with pytest.raises(BadRequest, match="has no width to set: send size=auto"):
        entries(record(SEED), {"size": "64x64"})


@pytest.mark.parametrize(
    ("given", "seeds"),
    [
        pytest.param({}, ["random", "random", "random"], id="drawn"),
        pytest.param({"seed": 7}, [7, 8, 9], id="counted-from-the-first"),
        pytest.param({"seed": "random"}, ["random", "random", "random"], id="drawn-on-request"),
        pytest.param({"seed": 2**64 - 2}, [2**64 - 2, 2**64 - 1, 0], id="counted-round"),
    ],
)
def test_each_picture_has_a_seed_of_its_own(given, seeds):
    assert [entry["seed"] for entry in entries(DRAW, {"n": 3, **given})] == seeds


@pytest.mark.parametrize(
    ("limits", "given", "seeds"),
    [
        pytest.param({}, {}, [DRAWN, DRAWN + 1, DRAWN + 2], id="drawn"),
        pytest.param({"minimum": 5, "maximum": 7}, {}, [6, 7, 5], id="drawn-within-its-limits"),
        pytest.param({"minimum": 5, "maximum": 7}, {"seed": 7}, [7, 5, 6], id="counted-round-its-limits"),
        pytest.param({}, {"seed": "12"}, [12, 13, 14], id="given-as-words"),
    ],
)
def test_a_seed_that_is_a_plain_number_differs_too(limits, given, seeds):
    workflow = record(Parameter("seed", ("3.seed",), "int", **limits))

    assert [entry["seed"] for entry in entries(workflow, {"n": 3, **given})] == seeds
    assert [entry["seed"] for entry in entries(workflow, given)] == seeds[:1]


def test_a_seed_that_cannot_be_is_refused_by_its_field():
    with pytest.raises(BadRequest) as refused:
        entries(DRAW, {"seed": "seven"})

    assert refused.value.param == "seed"


def test_as_many_pictures_come_as_are_asked_for():
    counting = record(SEED, Parameter("batch_size", ("5.batch_size",), "int"))

    assert [entry.get("batch_size") for entry in entries(counting, {"n": 2})] == [1, 1]
    assert [entry.get("batch_size") for entry in entries(counting, {})] == [None]


def test_files_go_where_pictures_and_masks_are_taken():
    assert entries(PICTURES, {}, Files(["a", "b"], "m")) == [{"first": "a", "second": "b", "where": "m"}]
    assert entries(PICTURES, {}, Files(["a"])) == [{"first": "a"}]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        pytest.param(Files(["a", "b", "c"]), "takes 2 pictures, and 3 came", id="too-many"),
        pytest.param(Files([], "m"), "takes no mask", id="mask"),
    ],
)
def test_files_that_nothing_takes_are_refused(files, words):
    workflow = PICTURES if files.images else DRAW

    with pytest.raises(BadRequest, match=words):
        entries(workflow, {}, files)


def test_the_role_that_an_author_gives_outweighs_a_name():
    words = Parameter("words", ("6.text",), "text", role="prompt")
    other = Parameter("prompt", ("7.text",), "text")

    assert entries(record(words, other), {"prompt": "a boat"}) == [{"words": "a boat"}]


def test_a_size_is_two_numbers():
    assert (size_of("1024x768"), size_of("auto")) == ((1024, 768), None)


@pytest.mark.parametrize(
    ("parameter", "fields"),
    [
        pytest.param(
            Parameter("sampler_name", ("3.sampler_name",), "text"), {"sampler": "x"}, id="another-name"
        ),
        pytest.param(Parameter("Steps", ("3.steps",), "int"), {"steps": "x"}, id="whatever-its-case"),
        pytest.param(
            Parameter("way", ("3.x",), "text", role="scheduler"), {"scheduler": "x"}, id="by-its-author"
        ),
    ],
)
def test_a_field_named_like_a_role_sets_what_forms_know_by_it(parameter, fields):
    assert entries(record(parameter), fields) == [{parameter.name: "x"}]


def test_a_picture_that_is_called_a_mask_is_one():
    workflow = record(Parameter("sky", ("1.image",), "image"), Parameter("sky_mask", ("2.image",), "image"))

    assert entries(workflow, {}, Files(["a"], "m")) == [{"sky": "a", "sky_mask": "m"}]
