"""The folder `explain/` of a run: parts of the page that stand are taken back whole, and all of it is written whole."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.files import write_all

if TYPE_CHECKING:
    from evaluation.explain.page.content import PageSection

SCHEMA = 2


@dataclass(frozen=True)
class ExplainFolder:
    """Where the page stands, with its pictures and explain.json.

    Attributes:
        path: The folder.
        key: Tells whether parts that stand were made of the same model, images and settings.
        title: The page's heading.
        subtitle: The line below.
        details: Name and value of what was explained.
    """

    path: Path
    key: str
    title: str
    subtitle: str
    details: Mapping[str, str]

    @property
    def page(self) -> Path:
        """The page itself."""
        return self.path / "index.html"

    def kept(self) -> dict[str, PageSection]:
        """The parts that stand, are whole and of this key, by name."""
        from evaluation.explain.page.content import section_from

        found: dict[str, PageSection] = {}
        try:
            data = self._read()
            entries = data["sections"] if data["key"] == self.key else []
        except (OSError, ValueError, KeyError, TypeError):
            return found
        for entry in entries:
            try:
                files = {one["file"]: (self.path / one["file"]).read_bytes() for one in entry["figures"]}
                found[entry["name"]] = section_from(entry, files)
            except (OSError, ValueError, KeyError, TypeError):
                continue  # torn: it is made again
        return found

    def save(self, made: Mapping[str, PageSection]) -> None:
        """Writes pictures, explain.json and the page, whole or not at all.

        Args:
            made: The parts by name, in any order; those of the page that are not among them are said to be missing.
        """
        from evaluation.explain.page.content import section_json
        from evaluation.explain.page.render import SECTIONS, render_page

        sections = [made[name] for name in SECTIONS if name in made]
        missing = [name for name in SECTIONS if name not in made]
        entries: list[dict[str, Any]] = []
        files: dict[str, bytes | str] = {}
        for section in sections:
            entry, pictures = section_json(section)
            entries.append(entry)
            files |= pictures
        details = dict(self.details) | ({"not made yet": ", ".join(missing)} if missing else {})
        record = {"schema": SCHEMA, "key": self.key, "details": details, "missing": missing, "sections": entries}
        files["explain.json"] = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        files["index.html"] = render_page(self.title, self.subtitle, sections, details)
        write_all(self.path, files)
        self._remove_old(entries)

    def _remove_old(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Removes pictures that no part shows any more."""
        shown = {one["file"] for entry in entries for one in entry["figures"]}
        for path in (self.path / "figures").glob("*"):
            if f"figures/{path.name}" not in shown:
                path.unlink(missing_ok=True)

    def _read(self) -> dict[str, Any]:
        """explain.json."""
        return json.loads((self.path / "explain.json").read_text(encoding="utf-8"))
