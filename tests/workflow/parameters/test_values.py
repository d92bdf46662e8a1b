import math

import pytest

from comfywire.workflow.object_info import Input
from comfywire.workflow.parameters.values import coerce, kind_of, parse_text


@pytest.mark.parametrize(
    ("kind", "value", "coerced"),
    [
        pytest.param("INT", 42, 42, id="a-whole-number"),
        pytest.param("INT", " 42 ", 42, id="a-whole-number-in-text"),
        pytest.param("INT", "18446744073709551615", 2**64 - 1, id="a-seed-of-64-bits-keeps-every-digit"),
        pytest.param("INT", 42.0, 42, id="a-float-without-a-fraction"),
        pytest.param("INT", "1e3", 1000, id="an-exponent"),
        pytest.param("FLOAT", "7", 7.0, id="a-float-in-text"),
        pytest.param("FLOAT", 7, 7, id="json-makes-no-difference-between-7-and-7.0"),
        pytest.param("NUMBER", "7", 7, id="a-number-of-either-sort"),
        pytest.param("NUMBER", "7.5", 7.5, id="a-number-that-becomes-a-fraction"),
        pytest.param("BOOLEAN", "Yes", True, id="yes"),
        pytest.param("BOOLEAN", "on", True, id="on"),
        pytest.param("BOOLEAN", "1", True, id="one-in-text"),
        pytest.param("BOOLEAN", "TRUE", True, id="true"),
        pytest.param("BOOLEAN", "no", False, id="no"),
        pytest.param("BOOLEAN", "off", False, id="off"),
        pytest.param("BOOLEAN", "0", False, id="zero-in-text"),
        pytest.param("BOOLEAN", "false", False, id="the-word-false-is-false"),
        pytest.param("BOOLEAN", 1, True, id="one"),
        pytest.param("STRING", "42", "42", id="a-text-of-digits-stays-text"),
        pytest.param("STRING", 42, "42", id="a-number-where-text-belongs"),
        pytest.param("*", [1], [1], id="anything-where-nobody-knows"),
    ],
)
def test_a_value_is_made_fit(kind, value, coerced):
    made = coerce(value, kind)

    assert (made, type(made)) == (coerced, type(coerced))


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        pytest.param("INT", "many", "takes a number, not 'many'", id="no-number"),
        pytest.param("INT", 1.5, "takes a whole number, not 1.5", id="a-fraction"),
        pytest.param("INT", True, "takes a number, not True", id="true-is-no-number"),
        pytest.param("FLOAT", "nan", "takes a number, not 'nan'", id="nan"),
        pytest.param("FLOAT", math.inf, "takes a number, not inf", id="infinity"),
        pytest.param("INT", "9" * 5000, "takes a number, not '9999", id="thousands-of-digits"),
        pytest.param("BOOLEAN", "perhaps", "takes true or false, not 'perhaps'", id="no-truth-value"),
        pytest.param("BOOLEAN", 2, "takes true or false, not 2", id="two"),
        pytest.param("STRING", [1], r"takes a text, not \[1\]", id="a-list"),
    ],
)
def test_a_value_that_cannot_be_made_fit_is_refused(kind, value, message):
    with pytest.raises(ValueError, match=message):
        coerce(value, kind)


@pytest.mark.parametrize(
    ("spec", "present", "kind"),
    [
        pytest.param(Input("x", "INT"), "text", "INT", id="object-info-decides"),
        pytest.param(Input("x", "COMBO"), None, "COMBO", id="a-combo"),
        pytest.param(Input("x", "FLOAT,INT", {"widgetType": "FLOAT"}), None, "FLOAT", id="several-types"),
        pytest.param(Input("x", "IMAGE"), ["1", 0], "*", id="a-link"),
        pytest.param(None, True, "BOOLEAN", id="true-stands-there"),
        pytest.param(None, 7, "NUMBER", id="a-number-stands-there"),
        pytest.param(None, "7", "STRING", id="a-text-stands-there"),
        pytest.param(None, None, "*", id="nothing-stands-there"),
    ],
)
def test_the_kind_of_an_input_is_told_by_object_info_else_by_what_stands_there(spec, present, kind):
    assert kind_of(spec, present) == kind


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        pytest.param("8", "COMBO", 8, id="a-choice-that-is-a-number"),
        pytest.param("other", "COMBO", "other", id="a-choice-that-is-not-offered-is-for-the-validator"),
        pytest.param('["4", 0]', "*", ["4", 0], id="a-link"),
        pytest.param("words", "*", "words", id="words"),
        pytest.param("[" * 100_000, "*", "[" * 100_000, id="nesting-beyond-reason-is-text"),
    ],
)
def test_typed_text_is_read_by_kind(text, kind, value):
    assert parse_text(text, kind, (8, 16)) == value
