"""A workflow's parameters in two columns: what every version of the service reads, and what newer ones add.

Processes of several versions share a database while it is upgraded, and older ones refuse a key of a
parameter that they do not know. So the column ``parameters`` has only the keys of the first version, for
good; what came later, and the order of names, which ``jsonb`` does not keep, is in ``workflow_annotations``.
Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["apart", "together"]

TABLES = frozenset({"parameters", "outputs"})
KEYS = frozenset(
    {"type", "inputs", "default", "min", "max", "step", "choices", "multiline", "required", "help"}
)


def apart(tables: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what ``to_tables`` says as what every version reads, and the annotations."""
    parameters = tables["parameters"]
    plain = {key: table for key, table in tables.items() if key in TABLES}
    plain["parameters"] = {name: _only(table, known=True) for name, table in parameters.items()}
    newer = {name: more for name, table in parameters.items() if (more := _only(table, known=False))}
    return plain, {
        **{key: table for key, table in tables.items() if key not in TABLES},
        "order": {key: [*table] for key, table in plain.items()},
        **({"parameters": newer} if newer else {}),
    }


def _only(table: Mapping[str, Any], *, known: bool) -> dict[str, Any]:
    return {key: value for key, value in table.items() if (key in KEYS) is known}


def together(plain: Mapping[str, Any], annotations: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tables that :func:`apart` took apart.

    Args:
        plain: The column ``parameters``.
        annotations: What newer versions add; empty for what an older one registered.

    """
    newer = annotations.get("parameters", {})
    order = annotations.get("order", {})
    tables = {
        key: {name: table[name] for name in order.get(key, table)}
        for key, table in plain.items()
        if key != "order"  # of a week in which it stood there, before there were annotations
    }
    tables["parameters"] = {
        name: {**table, **newer.get(name, {})} for name, table in tables.get("parameters", {}).items()
    }
    return {
        **tables,
        **{key: table for key, table in annotations.items() if key not in ("order", "parameters")},
    }
