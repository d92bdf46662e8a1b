"""Faults of output files: hostile names, and files that are gone."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from comfywire.server.faults.attachment import Attachment
from comfywire.server.faults.rules import PromptRule, RuleList

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["HOSTILE_NAMES", "FileFaults"]

HOSTILE_NAMES = (
    "../../escaped.png",
    "/etc/escaped.png",
    "..\\..\\escaped.png",
    "C:\\escaped.png",
    "a b&c#1.png",
    "percent%2e%2e%2fescaped.png",
    "CON",
    "nul.png",
    "trailing. ",
    "with\x00nul.png",
    "with\nnewline.png",
    "\u202egnp.exe",
    "ümläut \N{PERFORMING ARTS}.png",
    "long-" + "x" * 300 + ".png",
)


@dataclass(eq=False, slots=True, kw_only=True)
class _Renaming(PromptRule):
    filename: str
    subfolder: str | None


@dataclass(slots=True)
class FileFaults:
    """``server.faults.files``."""

    attachment: Attachment
    renamings: RuleList = field(default_factory=RuleList)
    aliases: dict[tuple[str, str, str], str] = field(default_factory=dict)

    def rename(
        self,
        filename: str,
        *,
        subfolder: str | None = None,
        prompt_id: str | None = None,
        times: int | None = 1,
    ) -> PromptRule:
        """Tell clients that the next output file is called ``filename``.

        Messages and history name it so, and /view has the right bytes under that name, however hostile it
        is (:data:`HOSTILE_NAMES` has examples). On the server's disk it keeps its own name.
        """
        return self.renamings.add(
            _Renaming(filename=filename, subfolder=subfolder, prompt_id=prompt_id, times=times)
        )

    def vanish(self, filename: str, *, subfolder: str = "", type: str = "output") -> None:  # noqa: A002 - ComfyUI's word
        """Delete an output file, so that /view answers 404 after a success.

        Raises:
            FileNotFoundError: It is not there.

        """
        root = self.attachment.life.folders.by_type(type) or ""
        (Path(root) / subfolder / filename).unlink()

    def renamed(self, ui: dict[str, list[Any]], prompt_id: str) -> dict[str, list[Any]]:
        """Return a node's outputs under the names that the rules give them."""
        if not self.renamings.rules:
            return ui
        return {key: [self._renamed(item, prompt_id) for item in values] for key, values in ui.items()}

    def _renamed(self, item: Any, prompt_id: str) -> Any:
        if not isinstance(item, dict) or "filename" not in item:
            return item
        for rule in self.renamings.rules:
            if isinstance(rule, _Renaming) and rule.is_about(prompt_id) and rule.strike():
                subfolder = item["subfolder"] if rule.subfolder is None else rule.subfolder
                root = self.attachment.life.folders.by_type(item["type"]) or ""
                path = str(Path(root) / item["subfolder"] / item["filename"])
                self.aliases[item["type"], subfolder, rule.filename] = path
                return {**item, "filename": rule.filename, "subfolder": subfolder}
        return item

    def path(self, query: Mapping[str, str]) -> str | None:
        """Return the file behind a name that was given here."""
        asked = (query.get("type", "output"), query.get("subfolder", ""), query.get("filename", ""))
        return self.aliases.get(asked)

    def clear(self) -> None:
        """Rename no more; names that were given stay good."""
        self.renamings.clear()
