"""What every folder of ``integrations`` must have, read from the folders: no list to edit."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]
    BaseInstrumentor,
)
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
FOLDERS = {path.parent.name: path.parent for path in ROOT.glob("integrations/*/pyproject.toml")}
NAMES = sorted(FOLDERS)
# How-to pages that are named as their library calls itself.
PAGES = {
    "joblib": "model-names",
    "skops": "model-names",
    "sklearn": "scikit-learn",
    "starlette": "fastapi",
}
CONTRACTS = {"IntegrationContract", "HooksContract", "ContextContract", "LoaderContract"}
MODULES = {"__init__.py", "_extract.py", "_patches.py", "instrumentor.py", "py.typed"}


def project(name: str) -> dict[str, Any]:
    """Return what an integration's ``pyproject.toml`` says."""
    return tomllib.loads((FOLDERS[name] / "pyproject.toml").read_text("utf-8"))


def source(name: str) -> Path:
    """Return the folder of an integration's modules."""
    return FOLDERS[name] / "src" / f"tidegauge_{name}"


def libraries(name: str) -> list[Requirement]:
    """Return which libraries an integration is for, in the versions that it works with.

    They are an extra, which ``opentelemetry-instrument`` reads; of a library that is too large for
    everybody's environment they are a dependency group of the same name.
    """
    read = project(name)
    extras = read["project"].get("optional-dependencies", {})
    groups = read.get("dependency-groups", {})
    places = [extras, groups]
    keys = ("instruments", "instruments-any")
    return [Requirement(text) for place in places for key in keys for text in place.get(key, ())]


def test_the_folders_are_found() -> None:
    """Otherwise the other tests here would pass on nothing."""
    assert "sklearn" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_it_is_where_it_is_looked_for(name: str) -> None:
    """Folder, distribution, module and files are named alike."""
    assert project(name)["project"]["name"] == f"tidegauge-{name}".replace("_", "-")
    assert {path.name for path in source(name).iterdir()} >= MODULES - {"_extract.py"}


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at folders that nobody has installed yet, too."""
    for folder in FOLDERS.values():
        monkeypatch.syspath_prepend(folder / "src")


@pytest.mark.parametrize("name", NAMES)
def test_it_is_found_by_its_entry_point(name: str) -> None:
    """One entry point, ``tidegauge_<library>``: it can be disabled by name, and meets no other."""
    declared = project(name)["project"]["entry-points"]["opentelemetry_instrumentor"]
    assert list(declared) == [f"tidegauge_{name}"]
    module = importlib.import_module(f"tidegauge_{name}")
    (exported,) = module.__all__
    (value,) = declared.values()
    assert value == f"tidegauge_{name}:{exported}"
    instrumentor = getattr(module, exported)
    assert issubclass(instrumentor, BaseInstrumentor)
    assert instrumentor.__name__.endswith("Instrumentor")


@pytest.mark.parametrize("name", NAMES)
def test_it_says_which_versions_it_is_for(name: str) -> None:
    """Each library has a lower bound, which ``pkg-oldest`` tests; the instrumentor says the same.

    Without one, a resolver once took a version that was years old.
    """
    found = libraries(name)
    assert found
    for requirement in found:
        assert [bound.operator for bound in requirement.specifier if bound.operator == ">="], (
            f"{requirement} has no lower bound"
        )
    module = importlib.import_module(f"tidegauge_{name}")
    (exported,) = module.__all__
    said = getattr(module, exported)().instrumentation_dependencies()
    extras = project(name)["project"].get("optional-dependencies", {})
    # OpenTelemetry starts nothing where one of these is missing. Without code it asks the extra, in
    # code the instrumentor.
    needed = {str(Requirement(text)) for text in extras.get("instruments", ())}
    assert needed <= {str(Requirement(text)) for text in said} <= {str(each) for each in found}


@pytest.mark.parametrize("name", NAMES)
def test_it_keeps_the_contract(name: str) -> None:
    """The shared contract is what must always hold, not a paragraph."""
    tree = ast.parse((FOLDERS[name] / "tests" / "test_contract.py").read_text("utf-8"))
    derived = {
        base.id
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test")
        for base in node.bases
        if isinstance(base, ast.Name)
    }
    assert derived & CONTRACTS


@pytest.mark.parametrize("name", NAMES)
def test_users_are_told(name: str) -> None:
    """A page that says how to and what is recorded, reached from the index; a changelog line."""
    page = PAGES.get(name, name)
    text = (ROOT / "docs" / "how-to" / f"{page}.md").read_text("utf-8")
    for heading in ("## What is recorded", "## Limits"):
        assert f"\n{heading}\n" in text, f"docs/how-to/{page}.md has no {heading!r}"
    assert f"tidegauge-{name}".replace("_", "-") in text
    line = (ROOT / "changelog.d" / f"{name}.added.md").read_text("utf-8").strip()
    assert re.fullmatch(r"[A-Z][^\n]+\.", line), "one sentence on one line"


def test_the_list_of_the_docs_is_fresh() -> None:
    """It is rendered from the folders, like the pages of settings and metrics."""
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "render_integrations.py", "--check"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("name", NAMES)
def test_it_is_written(name: str) -> None:
    """Nothing is left of what ``tools/new_integration.py`` asks to write."""
    page = ROOT / "docs" / "how-to" / f"{PAGES.get(name, name)}.md"
    texts = [page, ROOT / "changelog.d" / f"{name}.added.md", *FOLDERS[name].rglob("*.*")]
    left = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in texts
        if path.suffix in (".md", ".py", ".toml")
        for line in path.read_text("utf-8").splitlines()
        if "WRITE:" in line or "unwritten(" in line
    ]
    assert not left, "\n".join(left)
