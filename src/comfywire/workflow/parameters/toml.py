"""Parameters as TOML, the ``.params.toml`` beside a workflow: for people to edit; and as tables, for JSON."""

from __future__ import annotations

import math
import tomllib
from typing import TYPE_CHECKING, Any

from comfywire.errors import InvalidParameter
from comfywire.workflow.nearest import did_you_mean
from comfywire.workflow.parameters.parameters import Parameter, Parameters

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["parse_tables", "parse_toml", "to_tables", "to_toml"]

_HEAD = """\
# What can be set in {of}, and what its outputs are called. Edit freely.
# type: text, int, float, bool, choice, seed (a number, or "random"), image, mask, video, audio, file, any
# inputs: NODE.INPUT each; NODE is an id, or a title or class_type that stands once
# label: what a form calls it; group: the heading that it stands under there
# role: what it is to programs, whatever its name (prompt, seed, width, ...)
"""
# Our word in the file -> the attribute. `min` and `max` are what people look for.
_KEYS = {
    "type": "type", "inputs": "inputs", "default": "default", "min": "minimum", "max": "maximum",
    "step": "step", "choices": "choices", "multiline": "is_multiline", "required": "is_required",
    "help": "help", "label": "label", "group": "group", "role": "role",
}  # fmt: skip
_LARGEST_INTEGER = 2**63 - 1  # what every TOML reader takes; tomllib takes more


def to_toml(parameters: Parameters, *, of: str = "this workflow") -> str:
    """Return ``parameters`` as the text of a ``.params.toml``; ``of`` names the workflow in it."""
    lines = [_HEAD.format(of="".join(filter(_is_plain, of)))]
    if parameters.description:  # keys of the whole file stand before the first table
        lines += [f"description = {_value(parameters.description)}", ""]
    if parameters.aliases:
        lines += [f"aliases = {_value(parameters.aliases)}", ""]
    for parameter in parameters.by_name.values():
        lines.append(f"[parameters.{_key(parameter.name)}]")
        lines += _parameter_lines(parameter)
        lines.append("")
    if parameters.outputs:
        lines.append("[outputs]")
        lines += [f"{_key(name)} = {_value(list(nodes))}" for name, nodes in parameters.outputs.items()]
    return "\n".join(lines).rstrip() + "\n"


def _parameter_lines(parameter: Parameter) -> Iterator[str]:
    for key, attribute in _KEYS.items():
        value = getattr(parameter, attribute)
        is_empty = isinstance(value, str | tuple) and not value
        says_something = not is_empty and value is not None and value is not False
        if (says_something or (key == "default" and value is not None)) and not _is_too_large(value):
            try:
                yield f"{key} = {_value(value)}"
            except InvalidParameter as error:
                raise InvalidParameter(f"parameter {parameter.name!r}: {error}") from None


def _is_too_large(value: Any) -> bool:
    return isinstance(value, int) and not -_LARGEST_INTEGER <= value <= _LARGEST_INTEGER


def _key(name: str) -> str:
    is_bare = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if is_bare else _quote(name)


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return repr(value) if math.isfinite(value) else str(value)
        case str() if "\n" in value:
            return _quote_lines(value)
        case str():
            return _quote(value)
        case list() | tuple():
            return f"[{', '.join(map(_value, value))}]"
        case dict():
            return f"{{ {', '.join(f'{_quote(str(key))} = {_value(each)}' for key, each in value.items())} }}"
    raise InvalidParameter(f"TOML has no word for {value!r}; leave it out")


def _quote(text: str) -> str:
    return f'"{_escape(text)}"'


def _quote_lines(text: str) -> str:
    # A line break right behind the opening quotes is not part of the text.
    return '"""\n' + "\n".join(map(_escape, text.split("\n"))) + '"""'


def _escape(text: str) -> str:
    named = {"\\": "\\\\", '"': '\\"', "\t": "\\t", "\r": "\\r"}
    return "".join(
        named.get(character) or (character if _is_plain(character) else _code(character))
        for character in text
    )


def _is_plain(character: str) -> bool:
    return character.isprintable() or character == " "


def _code(character: str) -> str:
    number = ord(character)
    if 0xD800 <= number <= 0xDFFF:  # half a character, which no text file can hold
        number = 0xFFFD
    return f"\\u{number:04X}" if number < 0x10000 else f"\\U{number:08X}"


def parse_toml(text: str, *, where: str = "the parameters") -> Parameters:
    """Return the parameters that ``text`` describes.

    Raises:
        InvalidParameter: It is not TOML, or describes none; ``where`` names the file in the message.

    """
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise InvalidParameter(f"{where} is not TOML: {str(error) or 'nested too deeply'}") from error
    return parse_tables(tables, where=where)


def to_tables(parameters: Parameters) -> dict[str, Any]:
    """Return what a ``.params.toml`` says, as JSON has it: nothing is left out for TOML's sake."""
    return {
        "parameters": {name: _parameter_table(parameter) for name, parameter in parameters.by_name.items()},
        "outputs": {name: list(nodes) for name, nodes in parameters.outputs.items()},
        **({"aliases": list(parameters.aliases)} if parameters.aliases else {}),
        **({"description": parameters.description} if parameters.description else {}),
    }


def _parameter_table(parameter: Parameter) -> dict[str, Any]:
    values = {key: getattr(parameter, attribute) for key, attribute in _KEYS.items()}
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in values.items()
        if value not in ("", ()) and value is not None and (value is not False or key == "default")
    }


def parse_tables(tables: Mapping[str, Any], *, where: str = "the parameters") -> Parameters:
    """Return the parameters that ``{"parameters": {...}, "outputs": {...}, "aliases": [...]}`` describes.

    Raises:
        InvalidParameter: They describe none; ``where`` names them in the message.

    """
    _refuse_unknown(tables, ("parameters", "outputs", "aliases", "description"), where)
    description = tables.get("description", "")
    if not isinstance(description, str):
        raise InvalidParameter(f"{where}: description is a text, in quotes")
    entries = _table(tables.get("parameters", {}), f"[parameters] in {where}")
    parameters = {name: _parse_parameter(name, entry, where) for name, entry in entries.items()}
    outputs = _table(tables.get("outputs", {}), f"[outputs] in {where}")
    return Parameters(
        parameters,
        {name: _strings(nodes, name, where) for name, nodes in outputs.items()},
        _strings(tables.get("aliases", ()), "aliases", where),
        description,
    )


def _parse_parameter(name: str, entry: Any, where: str) -> Parameter:
    place = f"[parameters.{name}] in {where}"
    table = _table(entry, place)
    _refuse_unknown(table, _KEYS, place)
    found = {_KEYS[key]: value for key, value in table.items()}
    found["inputs"] = _strings(found.get("inputs", ()), "inputs", place)
    if not isinstance(found.get("choices", []), list):
        raise InvalidParameter(f"{place}: choices is a list, [...]")
    found["choices"] = tuple(found.get("choices", ()))
    for key in ("min", "max", "step"):
        number = table.get(key, 0)
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise InvalidParameter(f"{place}: {key} is a number, not {number!r}")
    for key in ("type", "help", "label", "group", "role"):
        if not isinstance(table.get(key, ""), str):
            raise InvalidParameter(f"{place}: {key} is a text, not {table[key]!r}")
    parameter = Parameter(name=name, **found)
    if parameter.default is not None:
        parameter.check(parameter.default)
    return parameter


def _table(entry: Any, place: str) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise InvalidParameter(f"{place} is a table of keys and values, not {entry!r}")
    return entry


def _strings(value: Any, key: str, place: str) -> tuple[str, ...]:
    strings = [value] if isinstance(value, str) else value
    if not isinstance(strings, list | tuple) or not all(isinstance(each, str) for each in strings):
        raise InvalidParameter(f"{place}: {key} is a text or a list of texts, not {value!r}")
    return tuple(strings)


def _refuse_unknown(table: Mapping[str, Any], known: Mapping[str, Any] | tuple[str, ...], place: str) -> None:
    for key in table:
        if key not in known:
            hint = did_you_mean(key, known) or f"; there are {', '.join(known)}"
            raise InvalidParameter(f"{place} has {key!r}, which means nothing{hint}")
