import pytest

from comfywire.service.fleet.needs import need_of, requirement_of
from comfywire.service.jobs.engine import Head
from comfywire.service.jobs.placement import Choice, ServerView, choose, refusals, why_waiting
from comfywire.workflow.object_info import ObjectInfo

LOADER = {
    "input": {"required": {"ckpt_name": [["a.safetensors"], {}]}},
    "output": ["MODEL"],
    "output_name": ["MODEL"],
}
CATALOGUE = ObjectInfo({"CheckpointLoaderSimple": LOADER, "SaveImage": {"input": {"required": {}}}})


def prompt(file: str = "a.safetensors", **more: object) -> dict[str, object]:
    return {"1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": file}}, **more}


@pytest.mark.parametrize(
    ("graph", "tags", "expected"),
    [
        pytest.param(prompt(), (), [], id="has-everything"),
        pytest.param(prompt("b.safetensors"), (), ["checkpoint 'b.safetensors'"], id="lacks-a-checkpoint"),
        pytest.param({"1": {"class_type": "Y", "inputs": {}}}, (), ["node 'Y'"], id="lacks-a-node"),
        pytest.param(prompt(), ("video",), ["tag 'video'"], id="lacks-a-tag"),
    ],
)
def test_a_server_says_what_it_lacks(graph, tags, expected):
    assert refusals(requirement_of(graph, tags=tags), CATALOGUE, ()) == expected


def test_texts_and_seeds_make_no_other_need():
    one = {"1": {"class_type": "CLIPTextEncode", "inputs": {"text": "a hill"}}}
    other = {"7": {"class_type": "CLIPTextEncode", "inputs": {"text": "a lake", "seed": 5}}}

    assert need_of(requirement_of(one)) == need_of(requirement_of(other))


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        pytest.param([], "no server is connected", id="no-server"),
        pytest.param([["node 'Y'"], []], None, id="one-can"),
        pytest.param([["node 'Y'"], ["node 'Y'"]], "no server has node 'Y'", id="none-has-it"),
        pytest.param(
            [["checkpoint 'x'", "node 'Y'"], ["checkpoint 'x'", "node 'Y'"], ["checkpoint 'x'"]],
            "no server has checkpoint 'x'; 2 lack node 'Y'",
            id="none-has-one-some-lack-another",
        ),
        pytest.param([["a"], ["b"]], "1 lacks a; 1 lacks b", id="each-lacks-something-else"),
    ],
)
def test_why_a_job_waits_is_said_in_words(reasons, expected):
    assert why_waiting(reasons) == expected


A, B = Head("a", 0, 5), Head("b", 0, 6)
MODELS = {"a": frozenset({"a.safetensors"}), "b": frozenset({"b.safetensors"})}
BOTH = frozenset({"a", "b"})


@pytest.mark.parametrize(
    ("heads", "servers", "expected"),
    [
        pytest.param([], [ServerView("s", BOTH)], None, id="nothing-waits"),
        pytest.param([A], [ServerView("s", frozenset())], None, id="nobody-can"),
        pytest.param([A, B], [ServerView("s", BOTH)], Choice("a", "s"), id="first-come-first"),
        pytest.param([A, B], [ServerView("s", frozenset({"b"}))], Choice("b", "s"), id="what-it-can-run"),
        pytest.param(
            [A],
            [ServerView("busy", BOTH, running=1), ServerView("free", BOTH)],
            Choice("a", "free"),
            id="free",
        ),
        pytest.param(
            [A],
            [ServerView("shared", BOTH, foreign=3), ServerView("free", BOTH)],
            Choice("a", "free"),
            id="ours",
        ),
        pytest.param(
            [A],
            [ServerView("cold", BOTH), ServerView("warm", BOTH, loaded=MODELS["a"])],
            Choice("a", "warm"),
            id="has-the-model-loaded",
        ),
        pytest.param(
            [A, B],
            [ServerView("s", BOTH, loaded=MODELS["b"])],
            Choice("b", "s"),
            id="overtaken-for-the-model",
        ),
        pytest.param(
            [A, Head("b", 0, 5 + 5)],
            [ServerView("s", BOTH, loaded=MODELS["b"])],
            Choice("a", "s"),
            id="but-not-for-ever",
        ),
        pytest.param(
            [A, Head("b", -1, 5)],
            [ServerView("s", BOTH, loaded=MODELS["b"])],
            Choice("a", "s"),
            id="and-not-by-a-lower-priority",
        ),
    ],
)
def test_the_first_job_goes_to_the_best_server(heads, servers, expected):
    assert choose(heads, servers, MODELS) == expected
