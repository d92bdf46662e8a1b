"""The tree in the docstring of errors.py is the tree of the classes, and each of them can be told about."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages

import pytest

import comfywire
from comfywire import errors

OF_CALLERS = ("comfywire.client", "comfywire.workflow", "comfywire.transport")
CLASSES = [getattr(errors, name) for name in errors.__all__]


def drawn() -> Iterator[tuple[str, str]]:
    """Each class of the drawing with the one that it stands below."""
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if entry := re.match(r"    ((?:  )*)([A-Z]\w+)(\s{2,}|$)", line):
            depth, name = len(entry[1]) // 2, entry[2]
            yield name, above[depth - 1] if depth else "Exception"
            above[depth:] = [name]


def test_the_drawing_is_the_tree():
    assert dict(drawn()) == {kind.__name__: kind.__bases__[0].__name__ for kind in CLASSES}


def test_every_class_is_exported():
    defined = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and value.__module__ == errors.__name__
    }

    assert defined == set(errors.__all__)
    assert set(errors.__all__) <= set(comfywire.__all__)
    assert errors.__all__ == sorted(errors.__all__)


def every_error(kind: type[Exception]) -> set[type[Exception]]:
    return {kind}.union(*map(every_error, kind.__subclasses__()))


def test_no_module_keeps_an_error_of_its_own():
    for module in walk_packages(comfywire.__path__, "comfywire."):
        if module.name.startswith(OF_CALLERS):
            import_module(module.name)

    mine = {kind for kind in every_error(errors.ComfywireError) if kind.__module__.startswith(OF_CALLERS)}

    assert {kind.__name__ for kind in mine if not kind.__name__.startswith("_")} <= set(errors.__all__)


@pytest.mark.parametrize("kind", CLASSES)
def test_each_class_says_when_it_is_raised(kind):
    assert (kind.__doc__ or "").split("\n")[0].endswith(".")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (errors.ServerError(404, "GET", "/view", "what"), "GET /view was answered 404: what"),
        (errors.ServerError(500, "GET", "/view"), "GET /view was answered 500 and no further words"),
        (
            errors.MissingExtra("the test server", "server"),
            "the test server needs the extra 'server': in a clone of Comfywire, pip install \".[server]\"",
        ),
        (
            errors.WorkflowRejected({}, {}, ["node 1: wrong", "node 2: wrong"]),
            "the server rejected the prompt: node 1: wrong; node 2: wrong",
        ),
        (errors.JobFailed("it failed", prompt_id="p", node_id="7"), "it failed"),
    ],
    ids=lambda case: type(case).__name__ if isinstance(case, Exception) else "",
)
def test_an_error_reads_as_a_sentence(error, says):
    assert str(error) == says


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (errors.JobTimedOut, TimeoutError),
        (errors.MissingExtra, ImportError),
        (errors.UnsafeName, ValueError),
        (errors.UnknownInput, AttributeError),
        (errors.InvalidMask, ValueError),
    ],
)
def test_some_are_also_what_callers_catch_anyway(kind, builtin):
    assert issubclass(kind, builtin)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_an_error_survives_pickling_and_copying(kind):
    error = kind.__new__(kind, "what happened")
    error.args, error.prompt_id = ("what happened",), "p"

    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (type(twin), twin.args, twin.__dict__) == (kind, error.args, error.__dict__)
