"""The validator's rules for one value: conversion, range, list of options, types of links."""

from __future__ import annotations

from typing import Any, Self

__all__ = ["InputError", "check_value", "convert", "is_compatible"]

CONVERSIONS: dict[str, type] = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}
LONGEST_LIST_SHOWN = 20
MATCH_TYPE = "COMFY_MATCHTYPE_V3"  # the editor checks these (comfy_execution/validation.py, 0.33.0)


class InputError(dict[str, Any]):
    """One of a node's ``errors``: ``type``, ``message``, ``details``, ``extra_info``."""

    @classmethod
    def of(cls, kind: str, message: str, details: str, **extra_info: object) -> Self:
        """Make one; keywords are its ``extra_info``."""
        return cls(type=kind, message=message, details=details, extra_info=extra_info)


def convert(inputs: dict[str, Any], name: str, config: tuple[Any, Any]) -> InputError | None:
    """Convert a value in place, so that queue and history show it converted: 64.9 is 64, "false" is True."""
    value = inputs[name]
    if isinstance(value, dict) and "__value__" in value:
        # The only way to give a widget a list; a bare one is a link.
        value = inputs[name] = value["__value__"]
    conversion = CONVERSIONS.get(config[0]) if isinstance(config[0], str) else None
    if conversion is None:
        return None
    try:
        inputs[name] = conversion(value)
    except Exception as error:  # noqa: BLE001 - whatever int() raises is told to the client
        return InputError.of(
            "invalid_input_type",
            f"Failed to convert an input value to a {config[0]} value",
            f"{name}, {value}, {error}",
            input_name=name,
            input_config=config,
            received_value=value,
            exception_message=str(error),
        )
    return None


def check_value(name: str, value: Any, config: tuple[Any, Any], *, is_new: bool = False) -> InputError | None:
    """Check range and list; ``step`` and ``round`` are the editor's business.

    Newer servers check the options of a COMBO too, and spell wrong values as Python does (0.33.0).
    """
    kind, options = config
    for limit, error_type, word in (
        ("min", "value_smaller_than_min", "smaller than min"),
        ("max", "value_bigger_than_max", "bigger than max"),
    ):
        if limit in options and (value < options[limit] if limit == "min" else value > options[limit]):
            message = f"Value {value} {word} of {options[limit]}"
            return InputError.of(
                error_type, message, name, input_name=name, input_config=config, received_value=value
            )
    choices = options.get("options", []) if is_new and kind == "COMBO" else kind
    if not isinstance(choices, list):
        return None
    is_several = is_new and options.get("multiselect", False) and isinstance(value, list)
    wrong = [choice for choice in (value if is_several else [value]) if choice not in choices]
    if wrong:
        is_long = len(choices) > LONGEST_LIST_SHOWN
        shown = f"(list of length {len(choices)})" if is_long else str(choices)
        named = ", ".join(repr(choice) for choice in wrong) if is_new else f"'{value}'"
        return InputError.of(
            "value_not_in_list",
            "Value not in list",
            f"{name}: {named} not in {shown}",
            input_name=name,
            input_config=None if is_long else config,
            received_value=value,
        )
    return None


def is_compatible(received: Any, wanted: Any) -> bool:
    """Tell whether a link's type fits: equal, ``*``, or unions ``A,B`` with a member in common."""
    if received == wanted or not {"*", MATCH_TYPE}.isdisjoint((str(received), str(wanted))):
        return True
    if not isinstance(received, str) or not isinstance(wanted, str):
        return False
    return not set(_members(received)).isdisjoint(_members(wanted))


def _members(union: str) -> list[str]:
    return [member.strip() for member in union.split(",")]
