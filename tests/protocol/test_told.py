"""Messages are values: compared and shown by their fields."""

from __future__ import annotations

from comfywire.protocol.messages import Executing, ExecutionStart, ExecutionSuccess, ProgressState


def test_messages_with_the_same_fields_are_the_same() -> None:
    assert Executing("p", "4") == Executing("p", "4")
    assert hash(Executing("p", "4")) == hash(Executing("p", "4"))
    assert ProgressState("p", {"4": {}}) == ProgressState("p", {"4": {}})


def test_messages_that_differ_in_a_field_or_in_kind_are_not() -> None:
    assert Executing("p", "4") != Executing("p", "5")
    assert ExecutionStart("p", 1) != ExecutionSuccess("p", 1)
    assert Executing("p", "4") != ("p", "4", None)


def test_a_message_is_shown_by_its_fields() -> None:
    assert repr(Executing("p", None)) == "Executing(prompt_id='p', node=None, display_node=None)"
