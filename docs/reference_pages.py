# ruff: noqa: INP001 - beside the script that uses it
"""The reference page: every public name with its signature and its docstring, as Markdown."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import is_dataclass
from typing import Any

import comfywire
from comfywire import errors, sync
from comfywire.client import events
from comfywire.workflow import Parameter, Parameters, Problem

HEAD = """# Reference

<!-- Written by docs/make_reference.py from the docstrings: change those, and run it. -->

Every public name. How to use them is in [the client's guide](client.md); [workflows](workflows.md) and
[the test server](test-server.md) have their own pages. `comfywire.sync` has the same
classes without `async` and `await`.
"""
FIRST = ("Client", "Job", "JobProgress", "Result", "Output", "Upload")
WORKFLOWS = ("Workflow", "Node")
CONSTRUCTED = ("Client", "Workflow")
"""What users build themselves."""
DESCRIPTIONS = (Parameters, Parameter, Problem)
QUOTES = "'\""
SECTION = re.compile(r"^(Args|Attributes|Raises|Returns|Yields):$")
ANNOTATION = re.compile(r"(: |-> )(['\"])(.*?)\2")
ENTRY = re.compile(r"^([\w*., ]+): ?(.*)$")


def reference() -> str:
    """Return the whole page."""
    happenings = tuple(name for name in events.__all__ if name not in ("Event", "QueueSnapshot"))
    others = {*FIRST, *WORKFLOWS, *happenings, *errors.__all__, "Event", "sync"}
    groups = {
        "The client": (*FIRST, *(name for name in comfywire.__all__ if name not in others)),
        "Workflows": WORKFLOWS,
        "Events": happenings,
        "Errors": tuple(errors.__all__),
    }
    parts = [HEAD]
    for title, names in groups.items():
        parts.append(f"\n## {title}\n")
        if title == "Events":
            parts.append("What `job.events()` yields, `comfywire.Event`; `NodeProgress` is a part of one.\n")
        parts += [_class(f"comfywire.{name}", getattr(comfywire, name)) for name in names]
        if title == "Workflows":
            parts += [_class(f"comfywire.workflow.{cls.__name__}", cls) for cls in DESCRIPTIONS]
    parts.append("\n## The blocking client\n")
    parts.append(markdown(inspect.getdoc(sync) or ""))
    parts += [_outline(f"comfywire.sync.{name}", getattr(sync, name)) for name in sync.__all__]
    return "\n".join(parts).rstrip() + "\n"


def _outline(name: str, cls: type[Any]) -> str:
    """A class whose members are described elsewhere: their signatures alone."""
    members = "\n".join(_call(cls.__name__, *member) for member in _members(cls))
    return f"### {name}\n\n{markdown(inspect.getdoc(cls) or '')}\n{_fenced(members)}"


def _class(name: str, cls: type[Any]) -> str:
    parts = [f"### {name}\n", markdown(inspect.getdoc(cls) or "")]
    if cls.__name__ in CONSTRUCTED:
        parts.insert(1, _fenced(f"{cls.__name__}{_signature(cls.__init__)}"))
    parts += _fields(cls)
    parts += [_member(cls.__name__, *member) for member in _members(cls)]
    return "\n".join(parts)


def _fields(cls: type[Any]) -> Iterator[str]:
    """The fields of a data class, with the sentence under each; those that the docstring lists are done."""
    if not (is_dataclass(cls) or hasattr(cls, "_fields")) or "Attributes:" in (cls.__doc__ or ""):
        return
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(body, ast.ClassDef)
    for place, node in enumerate(body.body):
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation) if not name.startswith("_"):
                words = _sentence_under(body.body, place)
                yield f"- `{name}: {ast.unparse(annotation)}`{f': {words}' if words else ''}"
            case _:
                pass
    yield ""


def _sentence_under(body: list[ast.stmt], place: int) -> str:
    match body[place + 1 : place + 2]:
        case [ast.Expr(value=ast.Constant(value=str(words)))]:
            return _inline(" ".join(words.split()))
        case _:
            return ""


def _members(cls: type[Any]) -> Iterator[tuple[str, Any]]:
    """Public methods and properties with a docstring, in the order of the source, inherited ones last."""
    seen: set[str] = set()
    for owner in cls.__mro__:
        if not owner.__module__.startswith("comfywire"):
            continue
        for name, member in vars(owner).items():
            if name.startswith("_") and name != "__getitem__":
                continue
            function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
            is_member = inspect.isfunction(function) or hasattr(member, "func")
            if is_member and name not in seen and (function.__doc__ or getattr(member, "__doc__", "")):
                seen.add(name)
                yield name, member


def _member(owner: str, name: str, member: Any) -> str:
    words = getattr(member, "__func__", member).__doc__ or ""
    return (
        f"#### {owner}.{name}\n\n{_fenced(_call(owner, name, member))}\n{markdown(inspect.cleandoc(words))}"
    )


def _call(owner: str, name: str, member: Any) -> str:
    """How a member is written: ``await client.queue() -> QueueSnapshot``."""
    if isinstance(member, property) or hasattr(member, "func"):
        getter = member.fget if isinstance(member, property) else member.func
        return f"{owner.lower()}.{name}: {str(getter.__annotations__['return']).strip(QUOTES)}"
    if name == "__getitem__":
        return f"{owner.lower()}[name] -> {member.__annotations__['return'].strip(QUOTES)}"
    function = getattr(member, "__func__", member)
    is_async = inspect.iscoroutinefunction(function)
    return f"{'await ' if is_async else ''}{_called(owner, name, member)}{_signature(function)}"


def _called(owner: str, name: str, member: Any) -> str:
    return f"{owner}.{name}" if isinstance(member, classmethod) else f"{owner.lower()}.{name}"


def _signature(function: Any) -> str:
    signature = inspect.signature(function)
    rest = [parameter for name, parameter in signature.parameters.items() if name not in ("self", "cls")]
    written = str(signature.replace(parameters=rest)).removesuffix(" -> 'None'")
    one_line = ANNOTATION.sub(r"\1\3", written)
    if len(one_line) < 90:
        return one_line
    arguments, _, result = one_line.partition(") -> ")
    lines = "\n".join(f"    {argument}," for argument in _split(arguments.strip("()")))
    return f"(\n{lines}\n){f' -> {result}' if result else ''}"


def _split(arguments: str) -> list[str]:
    """Split at the commas between arguments, not at those inside their types."""
    parts, depth = [""], 0
    for mark in arguments:
        depth += (mark in "[(") - (mark in "])")
        if mark == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += mark
    return [part.strip() for part in parts]


def _fenced(code: str) -> str:
    return f"```text\n{code}\n```\n"


def markdown(docstring: str) -> str:
    """Return a docstring of ours (Google sections, a little reStructuredText) as Markdown."""
    return "\n".join(_blocks(docstring.splitlines())).strip() + "\n"


def _blocks(lines: list[str]) -> Iterator[str]:
    place = 0
    while place < len(lines):
        line = lines[place]
        if line.strip() == "::":
            end = _end_of_indent(lines, place + 1)
            code = textwrap.dedent("\n".join(lines[place + 1 : end])).strip()
            language = "text" if code.startswith("ComfywireError") else "python"
            yield f"```{language}\n{code}\n```\n"
            place = end
        elif SECTION.match(line):
            end = _end_of_indent(lines, place + 1)
            yield f"**{line.removesuffix(':')}**\n"
            yield from _entries(textwrap.dedent("\n".join(lines[place + 1 : end])).strip().splitlines())
            yield ""
            place = end
        else:
            yield _inline(line)
            place += 1


def _end_of_indent(lines: list[str], place: int) -> int:
    while place < len(lines) and (not lines[place].strip() or lines[place].startswith(" ")):
        place += 1
    return place


def _entries(lines: Iterable[str]) -> Iterator[str]:
    """``name: words`` and its continuation lines, as one list entry."""
    entry = ""
    for line in lines:
        head = None if line.startswith(" ") else ENTRY.match(line)
        if head:
            if entry:
                yield entry
            names = ", ".join(f"`{name.strip()}`" for name in head[1].split(","))
            entry = f"- {names}: {_inline(head[2])}".rstrip()
        else:
            entry += f" {_inline(line.strip())}"
    if entry:
        yield entry


def _inline(words: str) -> str:
    words = re.sub(r":(?:class|func|mod|attr):`(?:~comfywire\.)?([\w.]+)`", r"`\1`", words)
    words = re.sub(r":meth:`(?:~comfywire\.)?([\w.]+)`", r"`\1()`", words)
    return words.replace("``", "`")
