import pytest

from comfywire.workflow.validation.declared import Declared
from comfywire.workflow.validation.input_rules import (
    Mistake,
    ServerRaises,
    check_type,
    check_value,
    rules_for,
)

NEWER, OLDER = rules_for("0.33.0", is_modern=True), rules_for("0.3.64", is_modern=False)


def words_of(mistake: Mistake | None) -> str:
    assert mistake is not None
    return mistake.words


@pytest.mark.parametrize(
    ("received", "expected", "newer", "older"),
    [
        pytest.param("IMAGE", "IMAGE", True, True, id="the-same"),
        pytest.param("IMAGE", "MASK", False, False, id="another"),
        pytest.param("IMAGE", "MASK,IMAGE", True, True, id="one-of-several"),
        pytest.param("*", "MASK", True, True, id="anything"),
        pytest.param("A,*", "MASK", True, False, id="anything-among-others"),
        pytest.param("COMFY_MATCHTYPE_V3", "MASK", True, False, id="whatever-matches"),
        pytest.param(["a", "b"], "COMBO", True, False, id="a-list-of-choices-for-a-combo"),
        pytest.param(["a", "b"], ["a", "b"], True, True, id="the-same-choices"),
        pytest.param(["a"], ["a", "b"], False, False, id="other-choices"),
        pytest.param("STRING", ["a", "b"], False, False, id="a-text-for-a-choice"),
    ],
)
def test_types_fit_or_not(received, expected, newer, older):
    declared = Declared("x", expected)

    assert (check_type(declared, received, NEWER) is None) is newer
    assert (check_type(declared, received, OLDER) is None) is older


@pytest.mark.parametrize(
    ("options", "value", "words"),
    [
        pytest.param({"min": 1}, 0, "is 0, but 1 is the smallest allowed", id="no-largest"),
        pytest.param({"max": 1}, 2, "is 2, but 1 is the largest allowed", id="no-smallest"),
        pytest.param({"min": 0, "max": 1}, 2, "is 2, but must be from 0 to 1", id="both"),
    ],
)
def test_a_number_out_of_range_is_told_what_is_in_range(options, value, words):
    assert words_of(check_value(Declared("x", "INT", options), value, NEWER)) == words


@pytest.mark.parametrize(
    ("choices", "value", "words"),
    [
        pytest.param([], "a", "which is not offered; the server has none to offer", id="none"),
        pytest.param(list("abcdefghij"), "zzz", "; the server offers a, b, c, d, e, f, g, h, ...", id="many"),
    ],
)
def test_a_choice_that_is_not_offered_is_told_what_is(choices, value, words):
    assert words in words_of(check_value(Declared("x", choices), value, NEWER))


@pytest.mark.parametrize(
    ("version", "value", "is_good"),
    [("0.33.0", ["a", "b"], True), ("0.33.0", ["a", "z"], False), ("0.33.0", "a", True)],
)
def test_several_choices_may_be_made_where_the_node_says_so(version, value, is_good):
    declared = Declared("x", "COMBO", {"options": ["a", "b"], "multiselect": True})

    mistake = check_value(declared, {"__value__": value}, rules_for(version, is_modern=True))

    assert (mistake is None) is is_good


def test_a_comparison_that_breaks_the_server_is_told_apart():
    with pytest.raises(ServerRaises, match="cannot compare"):
        check_value(Declared("x", "ODD", {"min": 1}), "text", NEWER)


def test_a_class_that_checks_itself_is_left_alone():
    assert check_value(Declared("x", "INT", {"max": 1}), 5, NEWER, is_covered=True) is None


def test_a_long_value_is_cut_in_the_sentence():
    assert len(words_of(check_value(Declared("x", "INT"), "z" * 500, NEWER))) < 120
