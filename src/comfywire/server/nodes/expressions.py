"""Formulas (comfy_extras/nodes_math.py): a small part of Python, evaluated by its syntax tree."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from typing import Any

__all__ = ["evaluated"]

LARGEST_POWER = 4000
LONGEST = 10_000
MOST_BITS = 64_000

OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.BitXor: operator.xor,
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
    ast.Invert: operator.invert,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Gt: operator.gt,
    ast.Lt: operator.lt,
    ast.GtE: operator.ge,
    ast.LtE: operator.le,
}


def _power(base: Any, exponent: Any) -> Any:
    if abs(exponent) > LARGEST_POWER:
        raise ValueError(f"Exponent {exponent} exceeds maximum allowed ({LARGEST_POWER})")
    if isinstance(base, int) and base.bit_length() * exponent > MOST_BITS:
        raise ValueError("the expression's numbers grow too large: use smaller ones")
    return base**exponent


def _sum(*values: Any) -> Any:
    return sum(values[0] if len(values) == 1 and hasattr(values[0], "__iter__") else values)


MATHEMATICS = ("sqrt", "ceil", "floor", "log", "log2", "log10", "sin", "cos", "tan")
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sum": _sum,
    "min": min,
    "max": max,
    "abs": abs,
    "round": round,
    "pow": _power,
    "int": int,
    "float": float,
    **{name: getattr(math, name) for name in MATHEMATICS},
}


def evaluated(expression: str, names: dict[str, Any]) -> Any:
    """Return an expression's value.

    Raises:
        ValueError: It is no formula, is too long, uses what formulas have not, or grows too large.
        Exception: Whatever its arithmetic raises, such as ZeroDivisionError.

    """
    if len(expression) > LONGEST:
        raise ValueError(f"the expression has {len(expression)} characters: write at most {LONGEST}")
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except SyntaxError as error:
        raise ValueError(f"'{expression}' is no expression: {error.msg}") from error
    return _Evaluator(names).value(tree.body)


class _Evaluator:
    def __init__(self, names: dict[str, Any]) -> None:
        self._names = names

    def value(self, node: ast.expr) -> Any:
        """Return the value of one node of the tree."""
        value = self._value(node)
        if isinstance(value, int) and value.bit_length() > MOST_BITS:
            raise ValueError("the expression's numbers grow too large: use smaller ones")
        return value

    def _value(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=bool() | int() | float() | str() as value):
                return value
            case ast.Name(id=name):
                return self._named(name)
            case ast.UnaryOp(op=op, operand=operand) if type(op) in OPERATORS:
                return OPERATORS[type(op)](self.value(operand))
            case ast.BinOp(op=ast.Pow(), left=left, right=right):
                return _power(self.value(left), self.value(right))
            case ast.BinOp(op=op, left=left, right=right) if type(op) in OPERATORS:
                return OPERATORS[type(op)](self.value(left), self.value(right))
            case ast.BoolOp(op=op, values=values):
                return self._logic(values, is_and=isinstance(op, ast.And))
            case ast.Compare():
                return self._compared(node)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.value(body if self.value(test) else orelse)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS:
                return FUNCTIONS[name](*map(self.value, arguments))
            case ast.Subscript(value=value, slice=index):
                return self.value(value)[self.value(index)]
        raise ValueError(f"formulas have no {ast.unparse(node)}: use numbers, names, operators and functions")

    def _named(self, name: str) -> Any:
        if name not in self._names:
            raise ValueError(f"'{name}' is not defined: connect it, or use {', '.join(self._names)}")
        return self._names[name]

    def _logic(self, values: list[ast.expr], *, is_and: bool) -> Any:
        result: Any = is_and
        for value in values:
            result = self.value(value)
            if bool(result) is not is_and:
                break
        return result

    def _compared(self, node: ast.Compare) -> Any:
        left, result = self.value(node.left), True
        for op, comparator in zip(node.ops, node.comparators, strict=True):
            right = self.value(comparator)
            result = OPERATORS[type(op)](left, right)
            left = right
            if not result:
                break
        return result
