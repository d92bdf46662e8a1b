import jsonschema
import pytest

from comfywire.workflow import Parameter, Parameters
from comfywire.workflow.parameters.schemas import schema_of

PARAMETERS = Parameters(
    {
        parameter.name: parameter
        for parameter in (
            Parameter("image", ("1.image",), "image", is_required=True, help="What to enlarge."),
            Parameter("scale", ("2.scale",), "float", 2.0, minimum=1.0, maximum=4.0, step=0.5),
            Parameter("steps", ("3.steps",), "int", minimum=1.0, maximum=100.0),
            Parameter("seed", ("3.seed",), "seed", "random"),
            Parameter("text", ("4.text",), "text", is_multiline=True),
            Parameter("tiled", ("5.tiled",), "bool"),
            Parameter("method", ("2.method",), "choice", choices=("area", "lanczos")),
            Parameter("model", ("6.name",), "choice"),
            Parameter("clip", ("7.file",), "video"),
            Parameter("loud", ("8.x",), "text", "yes", is_required=True),
            Parameter("other", ("9.x",), "any"),
        )
    }
)
SCHEMA = schema_of(PARAMETERS, title="upscale", description="Larger.")
ID = "099a59b6-d9f5-42ab-9741-0a011043fbe8"


def accepts(**inputs) -> bool:
    return jsonschema.Draft202012Validator(SCHEMA).is_valid({"image": ID, **inputs})


def test_the_schema_is_one_of_draft_2020_12():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize(
    "inputs",
    [
        {"scale": 1.5},
        {"steps": 100},
        {"seed": 2**64 - 1},
        {"seed": "random"},
        {"text": "two\nlines"},
        {"tiled": True},
        {"method": "area"},
        {"model": "anything"},
        {"other": [1, {}]},
        {"clip": {"__type": "core/ASSET", "info": {"id": ID}}},
        {"clip": "https://example.com/a.mp4"},
        {"clip": "data:video/mp4;base64,AAAA"},
    ],
    ids=str,
)
def test_what_fits_is_allowed(inputs):
    assert accepts(**inputs)


@pytest.mark.parametrize(
    "inputs",
    [
        {"scale": 4.5},
        {"scale": "much"},
        {"steps": 1.5},
        {"steps": 0},
        {"seed": -1},
        {"seed": 2**64},
        {"seed": "ranom"},
        {"text": 5},
        {"tiled": "maybe"},
        {"method": "cubic"},
        {"clip": {"__type": "core/ASSET"}},
        {"clip": 5},
        {"unknown": 1},
    ],
    ids=str,
)
def test_what_does_not_fit_is_not(inputs):
    assert not accepts(**inputs)


def test_only_what_has_no_default_is_required():
    assert SCHEMA["required"] == ["image"]


def test_help_defaults_and_ranges_are_there_for_forms():
    assert SCHEMA["properties"]["image"]["description"] == "What to enlarge."
    assert SCHEMA["properties"]["scale"] == {
        "type": "number",
        "minimum": 1.0,
        "maximum": 4.0,
        "x-step": 0.5,
        "default": 2.0,
    }
    assert SCHEMA["properties"]["steps"]["maximum"] == 100


@pytest.mark.parametrize(("kind", "media"), [("image", "image/*"), ("mask", "image/*"), ("file", None)])
def test_a_file_says_what_it_is(kind, media):
    schema = schema_of(Parameters({"f": Parameter("f", ("1.f",), kind)}), title="x")["properties"]["f"]

    assert (schema["x-file"], schema.get("contentMediaType")) == (kind, media)


def test_groups_and_roles_are_said():
    idea = Parameter("idea", ("1.text",), "text", group="Words", role="prompt")
    plain = Parameter("plain", ("1.x",), "text")

    properties = schema_of(Parameters({"idea": idea, "plain": plain}), title="t")["properties"]

    assert (properties["idea"]["x-group"], properties["idea"]["x-role"]) == ("Words", "prompt")
    assert not {"x-group", "x-role"} & {*properties["plain"]}
