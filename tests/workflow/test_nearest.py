import pytest

from comfywire.workflow.nearest import did_you_mean, nearest


@pytest.mark.parametrize(
    ("name", "found"),
    [
        pytest.param("euler_a", ["euler", "euler_ancestral"], id="the-best-first"),
        pytest.param("DDIM", ["ddim"], id="another-case"),
        pytest.param("zzz", [], id="nothing-like-it"),
        pytest.param("e" * 500, [], id="a-text-that-is-no-name"),
    ],
)
def test_names_that_resemble_are_found(name, found):
    assert nearest(name, ["ddim", "euler_ancestral", "euler"]) == found


def test_no_more_are_found_than_asked_for():
    assert nearest("a.png", [f"a{number}.png" for number in range(9)], count=2) == ["a8.png", "a7.png"]


def test_only_so_many_choices_are_looked_at():
    assert nearest("last", [*map(str, range(5000)), "last"]) == []


@pytest.mark.parametrize(
    ("name", "question"),
    [("seeed", "; did you mean 'seed'?"), ("cfgs", "; did you mean 'cfg'?"), ("zzz", "")],
)
def test_a_question_is_asked_where_something_comes_near(name, question):
    assert did_you_mean(name, ["seed", "cfg"]) == question
