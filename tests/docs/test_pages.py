"""The documentation: generated pages are fresh, examples run, links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
WITH_CODE = [page for page in PAGES if "```python" in page.read_text("utf-8")]
LIMIT_S = 300.0
# Too large for everybody's environment: tox's heavy has them, and runs the pages that need them.
HEAVY = ("torch", "transformers")

# Each page runs in a process of its own: examples set up OpenTelemetry, which works once in each.
RUN = """
import sys
from sybil.document import Document
from sybil.parsers.markdown import PythonCodeBlockParser
document = Document.parse(sys.argv[1], PythonCodeBlockParser())
document.namespace["__name__"] = "__main__"
examples = list(document.examples())
for example in examples:
    example.evaluate()
print(len(examples), "examples")
"""


def name(page: Path) -> str:
    """Return a page's path as a test's name."""
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize(
    "tool",
    ["render_settings.py", "render_metrics.py", "render_alerts.py", "render_dashboards.py"],
)
def test_generated_pages_are_fresh(tool: str) -> None:
    """What is in the reference is what the code says."""
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / tool, "--check"],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("page", WITH_CODE, ids=name)
def test_the_examples_of_a_page_run(page: Path, tmp_path: Path) -> None:
    """Every Python block of a page runs, one after the other, in an empty folder."""
    for library in HEAVY:
        if re.search(rf"^(import|from) {library}\b", page.read_text("utf-8"), re.MULTILINE):
            pytest.importorskip(library)
    environ = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("OTEL_", "TIDEGAUGE_"))
    }
    done = subprocess.run(
        [sys.executable, "-c", RUN, page],
        cwd=tmp_path,
        env={**environ, "OTEL_EXPORTER_PROMETHEUS_PORT": "0", "DO_NOT_TRACK": "true"},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stdout.splitlines()[-1].startswith("0 ")


def test_what_is_installed_from_folders_is_complete() -> None:
    """The folders that README hands to pip hold each other's requirements: no index has them."""
    lines = (ROOT / "README.md").read_text("utf-8").replace("\\\n", " ").splitlines()
    folders = [
        tomllib.loads((ROOT / folder / "pyproject.toml").read_text("utf-8"))["project"]
        for line in lines
        if line.startswith("pip install ./")
        for folder in re.findall(r"\./[\w/-]+", line)
    ]
    needed = {
        re.split(r"[^\w-]", requirement)[0]
        for project in folders
        for requirement in project.get("dependencies", ())
    }
    ours = {name for name in needed if name.startswith("tidegauge")}
    assert ours
    assert set() == ours - {project["name"] for project in folders}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_to_files(page: Path) -> None:
    """A link to another page of the repository is no dead end."""
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_the_index_leads_to_every_page() -> None:
    """Who starts there finds all that is written."""
    docs = ROOT / "docs"
    linked = set(re.findall(r"\]\((?!https?:|#)([^)#]+)", (docs / "index.md").read_text("utf-8")))
    assert {str(page.relative_to(docs)) for page in docs.rglob("*.md")} - linked == {"index.md"}
