import contextlib
import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfywire.errors import InvalidParameter
from comfywire.workflow.load import params_path, read_params, write_params
from comfywire.workflow.parameters.parameters import TYPES, Parameter, Parameters
from comfywire.workflow.parameters.toml import parse_tables, parse_toml, to_tables, to_toml

PARAMETERS = Parameters(
    {
        "prompt": Parameter(
            "prompt", ("6.text",), "text", 'a "cat"\nin a hat', is_multiline=True, help="What to draw."
        ),
        "seed": Parameter("seed", ("3.seed", "10.noise_seed"), "seed", "random"),
        "cfg": Parameter("cfg", ("3.cfg",), "float", 7.0, minimum=0.0, maximum=100.0, step=0.1),
        "sampler": Parameter("sampler", ("3.sampler_name",), "choice", "euler", choices=("euler", "ddim")),
        "image": Parameter("image", ("Load.image",), "image", is_required=True),
        "flag": Parameter("flag", ("4.x",), "bool", default=False),
        "any": Parameter("any", ("4.y",), "any", {"a": [1, 2.5, "x"], 'odd "key"': True}),
    },
    {"final": ("9",), "all sizes": ("9", "Small")},
    ("gpt-image-1", 'the "old" one'),
    'Paints a "portrait".',
)


def test_parameters_survive_being_written():
    assert parse_toml(to_toml(PARAMETERS)) == PARAMETERS


def test_what_is_written_is_for_people():
    text = to_toml(PARAMETERS, of="portrait\n.json")

    assert text.startswith("# What can be set in portrait.json,")
    assert text.index('\ndescription = "Paints a \\"portrait\\"."\n') < text.index("\naliases = [")
    assert '\naliases = ["gpt-image-1", "the \\"old\\" one"]\n\n[parameters.prompt]\n' in text
    assert (
        '[parameters.seed]\ntype = "seed"\ninputs = ["3.seed", "10.noise_seed"]\ndefault = "random"\n\n'
        in text
    )
    assert 'default = """\na \\"cat\\"\nin a hat"""' in text
    assert text.endswith('[outputs]\nfinal = ["9"]\n"all sizes" = ["9", "Small"]\n')


def test_an_integer_that_other_readers_cannot_take_is_left_out():
    wide = Parameters({"s": Parameter("s", ("3.seed",), "seed", 5, minimum=0, maximum=2**64 - 1)})

    assert "max" not in tomllib.loads(to_toml(wide))["parameters"]["s"]


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
VALUES = st.recursive(
    st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False) | TEXTS,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(TEXTS, children, max_size=3),
    max_leaves=5,
)


@given(value=VALUES, words=TEXTS, nodes=st.lists(TEXTS, min_size=1, max_size=3))
def test_any_text_and_value_survives_being_written(value, words, nodes):
    parameters = Parameters(
        {"p": Parameter("p", tuple(nodes), "any", value, help=words)}, {words: tuple(nodes)}
    )

    assert parse_toml(to_toml(parameters, of=words)) == parameters


def test_half_a_character_is_replaced():
    text = to_toml(Parameters({"p": Parameter("p", ("1.x",), "text", "a\ud800b")}))

    assert parse_toml(text)["p"].default == "a\ufffdb"


def test_what_toml_cannot_say_is_refused():
    with pytest.raises(InvalidParameter, match="TOML has no word for"):
        to_toml(Parameters({"p": Parameter("p", ("1.x",), "any", [None])}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("[parameters", "is not TOML", id="no-toml"),
        pytest.param("a = " + "[" * 100_000, "is not TOML", id="nesting-beyond-reason"),
        pytest.param(
            "[parameter.x]", "'parameter', which means nothing; did you mean 'parameters'", id="a-table"
        ),
        pytest.param("[parameters]\nx = 5", r"\[parameters.x\] in it is a table", id="no-table"),
        pytest.param(
            "[parameters.x]\ninput = 'a.b'", "'input', which means nothing; did you mean 'inputs'", id="key"
        ),
        pytest.param("[parameters.x]\ninputs = 5", "inputs is a text or a list of texts", id="inputs"),
        pytest.param("[parameters.x]\ninputs = ['a.b']\nchoices = 5", "choices is a list", id="choices"),
        pytest.param("[parameters.x]\ninputs = ['a.b']\nmin = 'a'", "min is a number, not 'a'", id="min"),
        pytest.param("[parameters.x]\ninputs = ['a.b']\nhelp = 5", "help is a text, not 5", id="help"),
        pytest.param("[parameters.x]\ninputs = ['a.b']\nrole = 5", "role is a text, not 5", id="role"),
        pytest.param("[parameters.x]\ninputs = ['a.b']\ngroup = 5", "group is a text, not 5", id="group"),
        pytest.param(
            "[parameters.x]\ninputs = ['a.b']\ntype = 'int'\ndefault = 'a'",
            "'x' takes a number",
            id="default",
        ),
        pytest.param("[parameters.x]\ntype = 'int'", "drives no input", id="no-inputs"),
        pytest.param("[outputs]\nx = 5", "x is a text or a list of texts", id="outputs"),
        pytest.param("description = 5", "description is a text, in quotes", id="description"),
        pytest.param("aliases = 5", "aliases is a text or a list of texts", id="aliases"),
        pytest.param("parameters = 5", r"\[parameters\] in it is a table", id="parameters"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(text, message):
    with pytest.raises(InvalidParameter, match=message):
        parse_toml(text, where="it")


@given(text=st.text(max_size=60), kind=st.sampled_from(sorted(TYPES)))
def test_no_text_breaks_the_reader(text, kind):
    with contextlib.suppress(InvalidParameter):
        parse_toml(f'[parameters.x]\ninputs = ["a.b"]\ntype = "{kind}"\n{text}')


def test_one_input_needs_no_list():
    assert parse_toml("[parameters.x]\ninputs = 'a.b'")["x"].inputs == ("a.b",)


def test_parameters_are_kept_beside_the_workflow(tmp_path):
    workflow = tmp_path / "portrait.json"

    written = write_params(workflow, PARAMETERS)

    assert written == params_path(workflow) == tmp_path / "portrait.params.toml"
    assert read_params(workflow) == PARAMETERS


def test_a_workflow_without_parameters_has_none(tmp_path):
    assert read_params(tmp_path / "portrait.json") is None


def test_parameters_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "portrait.params.toml").write_bytes(b"\xff\xff")

    with pytest.raises(InvalidParameter, match=r"'portrait.params.toml' cannot be read"):
        read_params(tmp_path / "portrait.json")


def test_parameters_survive_being_tables():
    assert parse_tables(json.loads(json.dumps(to_tables(PARAMETERS)))) == PARAMETERS


def test_tables_hold_integers_that_toml_has_no_word_for():
    wide = Parameters({"s": Parameter("s", ("3.seed",), "seed", 5, minimum=0, maximum=2**64 - 1)})

    assert parse_tables(to_tables(wide)) == wide


def test_tables_that_mean_nothing_are_refused():
    with pytest.raises(InvalidParameter, match=r"the body has 'paramters', which means nothing"):
        parse_tables({"paramters": {}}, where="the body")
