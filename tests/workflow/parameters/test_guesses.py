import pytest

from comfywire.errors import InvalidParameter
from comfywire.workflow import Workflow
from comfywire.workflow.parameters.guesses import in_form_order, with_groups, with_roles
from comfywire.workflow.parameters.parameters import TYPES, Parameter, Parameters
from comfywire.workflow.parameters.roles import ROLES
from comfywire.workflow.parameters.toml import parse_tables, parse_toml, to_tables, to_toml


def parameter(name: str, kind: str = "text", **more) -> Parameter:
    return Parameter(name, (f"1.{name}",), kind, **more)


def roles(*parameters: Parameter) -> list[str]:
    return [each.role for each in with_roles(parameters)]


TYPICAL = {
    "prompt": "text", "negative_prompt": "text", "seed": "seed", "width": "int", "height": "int",
    "steps": "int", "cfg": "float", "sampler": "choice", "scheduler": "choice", "denoise": "float",
    "strength": "float", "count": "int", "model": "choice", "image": "image", "mask": "mask",
    "video": "video", "audio": "audio", "duration": "float", "fps": "float",
}  # fmt: skip


def test_every_role_is_guessed_by_its_own_name():
    assert roles(*(parameter(name, kind) for name, kind in TYPICAL.items())) == list(ROLES)


@pytest.mark.parametrize(
    ("name", "kind", "role"),
    [
        ("negative", "text", "negative_prompt"),
        ("positive", "text", "prompt"),
        ("noise_seed", "seed", "seed"),
        ("batch_size", "int", "count"),
        ("checkpoint", "choice", "model"),
        ("frame_rate", "int", "fps"),
        ("seconds", "float", "duration"),
        ("photo", "image", "image"),
        ("load_mask_image", "image", "mask"),
        ("clip", "video", "video"),
        ("width", "text", ""),
        ("prompt", "int", ""),
        ("seed", "float", ""),
        ("file", "file", ""),
        ("cfg_2", "float", ""),
        ("masked", "image", "image"),
    ],
)
def test_a_role_is_guessed_by_name_and_type(name, kind, role):
    assert roles(parameter(name, kind)) == [role]


def test_a_role_goes_to_what_is_called_just_so():
    assert roles(parameter("text"), parameter("prompt")) == ["", "prompt"]


def test_a_role_that_was_given_is_kept_and_not_given_again():
    assert roles(parameter("idea", role="prompt"), parameter("prompt")) == ["prompt", ""]


def test_of_one_kind_only_pictures_have_a_role_several_times():
    found = roles(*(parameter(name, name.rstrip("12")) for name in ("image1", "image2", "video1", "video2")))

    assert found == ["image", "image", "video", ""]


@pytest.mark.parametrize("kind", sorted(TYPES))
@pytest.mark.parametrize("name", [*ROLES, "text", "x"])
def test_no_guess_is_refused(name, kind):
    drafted = with_roles([parameter(name, kind), parameter(f"{name}_2", kind), parameter("mask", kind)])

    Parameters({f"{at}": each for at, each in enumerate(drafted)})


def test_a_role_twice_is_refused():
    both = {name: parameter(name, role="prompt") for name in ("idea", "wish")}

    with pytest.raises(InvalidParameter, match="'idea' and 'wish' both have the role 'prompt': take it from"):
        Parameters(both)


def test_several_pictures_are_taken():
    both = {name: parameter(name, "image", role="image") for name in ("first", "second")}

    assert Parameters(both).of_role("image") == both["first"]
    assert Parameters(both).of_role("mask") is None


def test_an_unknown_role_is_refused():
    with pytest.raises(InvalidParameter, match="role 'promt', which does not exist; did you mean 'prompt'"):
        parameter("idea", role="promt")


def test_roles_and_groups_survive_being_written():
    written = Parameters({"idea": parameter("idea", role="prompt", group="What to draw")})

    assert parse_toml(to_toml(written)) == parse_tables(to_tables(written)) == written
    assert 'group = "What to draw"\nrole = "prompt"' in to_toml(written)


def test_a_form_begins_with_words_and_ends_with_what_has_no_group():
    names = {"odd": "any", "checkpoint": "choice", "seed": "seed", "cfg": "float", "width": "int"}
    mixed = [parameter(name, kind) for name, kind in {**names, "photo": "image", "note": "text"}.items()]

    ordered = in_form_order(with_groups(with_roles(mixed)))

    assert [(each.name, each.group) for each in ordered] == [
        ("note", "Words"),
        ("photo", "Files"),
        ("width", "Size"),
        ("cfg", "Sampling"),
        ("seed", "Seed and batch"),
        ("checkpoint", "Models"),
        ("odd", ""),
    ]


def test_a_group_that_was_given_is_kept():
    assert with_groups([parameter("seed", "seed", group="Luck")])[0].group == "Luck"


def test_a_draft_has_groups_and_roles():
    nodes = {
        "3": {"class_type": "KSampler", "inputs": {"seed": 5, "cfg": 7.0, "positive": ["6", 0]}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat"}},
    }

    drafted = Workflow(nodes).parameters()

    assert [(each.name, each.role, each.group) for each in drafted] == [
        ("prompt", "prompt", "Words"),
        ("cfg", "cfg", "Sampling"),
        ("seed", "seed", "Seed and batch"),
    ]
