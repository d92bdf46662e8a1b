"""What every message is: a value, compared and shown by its fields."""

from __future__ import annotations

from dataclasses import fields

__all__ = ["Told"]


class Told:
    """The base of the dataclasses of ``messages.py``, which are made with ``eq`` and ``repr`` off.

    Python writes and compiles those methods anew for each dataclass: for fourteen messages that was a
    fortieth of the time that importing the client takes.
    """

    __slots__ = ()

    def _values(self) -> tuple[object, ...]:
        return tuple(getattr(self, field.name) for field in fields(self))  # type: ignore[arg-type]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Told) or type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        names = (field.name for field in fields(self))  # type: ignore[arg-type]
        shown = (f"{name}={value!r}" for name, value in zip(names, self._values(), strict=True))
        return f"{type(self).__name__}({', '.join(shown)})"
