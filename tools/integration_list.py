"""The integrations of the workspace, read from their ``pyproject.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
_PAGES = {
    "joblib": "model-names",
    "skops": "model-names",
    "sklearn": "scikit-learn",
    "starlette": "fastapi",
}


@dataclass(frozen=True)
class Integration:
    """One folder of ``integrations``.

    ``oldest`` maps what pip installs to the lower bound. ``newest`` is what
    ``tools/check_versions.py`` has written: of several of which one must be there, those that were.
    """

    name: str
    folder: Path
    package: str
    oldest: dict[str, str]
    newest: dict[str, str]

    @property
    def page(self) -> str:
        """Return the name of its how-to page."""
        return f"{_PAGES.get(self.name, self.name)}.md"


def read(folder: Path) -> Integration:
    """Return what an integration says of itself."""
    found = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))
    project = found["project"]
    places = (project.get("optional-dependencies", {}), found.get("dependency-groups", {}))
    texts = [
        text
        for place in places
        for text in (*place.get("instruments", ()), *place.get("instruments-any", ()))
    ]
    oldest = {}
    for requirement in map(Requirement, texts):
        bounds = [bound.version for bound in requirement.specifier if bound.operator == ">="]
        oldest[requirement.name] = max(bounds, default="")
    newest = found.get("tool", {}).get("tidegauge", {}).get("newest", {})
    return Integration(folder.name, folder, project["name"], oldest, newest)


def all_integrations() -> list[Integration]:
    """Return all integrations by name."""
    return [read(path.parent) for path in sorted(ROOT.glob("integrations/*/pyproject.toml"))]
