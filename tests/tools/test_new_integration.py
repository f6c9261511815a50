"""What ``tools/new_integration.py`` writes is whole, but for what only its author knows.

It is tried in a copy of the workspace, with a library that is there for this test alone.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIMIT_S = 300.0

LIBRARY = """
import numpy as np

class Model:
    def __init__(self, error=None):
        self.error = error

    def fit(self, X):
        return self

    def predict(self, X):
        if self.error is not None:
            raise self.error
        return np.asarray(X)[:, 0]
"""

# What an author fills in, no more.
WRITTEN = {
    "owner": "(__import__('stubbed').Model, 'predict')",
    "fit": "__import__('stubbed').Model().fit(None)",
    "data": "__import__('numpy').ones((rows, 3))",
    "predict": "model.predict(data)",
    "numbers": "[float(value) for value in result]",
    "failing": "(__import__('stubbed').Model(error), self.data(2))",
}


class Workspace:
    """A copy of the workspace."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("docs", "changelog.d", "tools", "tests/architecture"):
            shutil.copytree(ROOT / name, folder / name)
        shutil.copy(ROOT / "pyproject.toml", folder)
        (folder / "packages").symlink_to(ROOT / "packages")
        (folder / "integrations").mkdir()
        (folder / "integrations" / "sklearn").symlink_to(ROOT / "integrations" / "sklearn")
        self.site = folder / "site"
        self.install("stubbed", "1.0")
        (self.site / "stubbed.py").write_text(LIBRARY)
        self.contract = folder / "integrations" / "stubbed" / "tests" / "test_contract.py"

    def install(self, name: str, version: str, *lines: str) -> None:
        """Let a distribution be found."""
        info = self.site / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        head = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *lines]
        (info / "METADATA").write_text("\n".join(head) + "\n")

    def run(self, *words: str) -> tuple[int, str]:
        """Run Python in the copy."""
        source = self.folder / "integrations" / "stubbed" / "src"
        done = subprocess.run(
            [sys.executable, *words],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": f"{source}:{self.site}"},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def new(self, *words: str) -> tuple[int, str]:
        """Run the tool."""
        return self.run("tools/new_integration.py", *words)

    def pytest(self, *words: str) -> tuple[int, str]:
        """Run tests of the copy."""
        return self.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *words)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Return a copy with a new integration in it."""
    workspace = Workspace(tmp_path_factory.mktemp("workspace") / "copy")
    status, said = workspace.new("stubbed", "--title", "Stubbed", "--at-least", "1.0")
    assert status == 0, said
    assert "integrations/stubbed/tests/test_contract.py" in said
    workspace.install(
        "tidegauge_stubbed",
        "0.1.0",
        "Provides-Extra: instruments",
        "Requires-Dist: stubbed>=1.0; extra == 'instruments'",
    )
    return workspace


def test_it_is_in_the_house_style(workspace: Workspace) -> None:
    """Ruff has nothing to say, whatever the integration is called."""
    status, said = workspace.new("xstubbed", "--title", "x-stubbed", "--at-least", "12.10")
    assert status == 0, said
    folders = ["integrations/stubbed", "integrations/xstubbed"]
    for words in (["check"], ["format", "--check"]):
        status, said = workspace.run("-m", "ruff", *words, "--no-cache", *folders)
        assert status == 0, said
    shutil.rmtree(workspace.folder / "integrations" / "xstubbed")


def test_it_is_whole(workspace: Workspace) -> None:
    """It imports, and keeps the rules of the architecture; one test says what is left to write."""
    status, said = workspace.pytest("tests/architecture", "-k", "stubbed")
    assert status == 1
    failed = re.findall(r"^FAILED \S+::(\w+)", said, re.MULTILINE)
    assert failed == ["test_it_is_written"], said
    assert re.search(r"1 failed, 1\d passed", said), said
    for path in ("src/tidegauge_stubbed/_patches.py", "tests/test_contract.py", "pyproject.toml"):
        assert f"integrations/stubbed/{path}: " in said


def test_its_contract_waits_for_a_scenario(workspace: Workspace) -> None:
    """The contract fails, and says which method is to be written and what it returns."""
    status, said = workspace.pytest(str(workspace.contract), "-k", "one_call_is_one_record")
    assert status == 1
    assert (
        "Unwritten: fit() of the scenario is not written yet. Let it return: a tiny model of 3 "
        "numeric features that uses one thread."
    ) in said


def test_a_scenario_is_all_that_it_waits_for(workspace: Workspace) -> None:
    """With the methods of the scenario filled in, every promise is kept."""
    template = workspace.contract.read_text()
    text = re.sub(r'unwritten\("(\w+)", "[^"]*"\)', lambda m: WRITTEN[m[1]], template)
    assert text != template
    assert "unwritten(" not in text
    filled = workspace.contract.with_name("test_filled.py")
    filled.write_text(text)
    status, said = workspace.pytest(str(filled))
    assert status == 0, said
    assert "passed" in said


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ["sklearn"],
            "NAME: got 'sklearn' from the argument; expected a name that is not taken, but "
            "integrations/sklearn exists. Edit that, or delete it first.\n",
        ),
        (
            ["two-words"],
            "NAME: got 'two-words' from the argument; expected what Python code imports, in lower "
            "case: lightgbm. Say with --distribution what pip calls it, if that differs.\n",
        ),
        (
            ["nowhere"],
            "--at-least: got nothing, and 'nowhere' is not installed here; expected the oldest "
            "version that shall work. Pass --at-least 4.0, or --distribution with the name that "
            "pip knows, or pip install nowhere.\n",
        ),
        (
            ["nowhere", "--at-least", ">=4"],
            "--at-least: got '>=4' from the argument; expected a version: 4.0. Leave out operators "
            "and what follows the numbers.\n",
        ),
    ],
)
def test_what_is_wrong_is_said(workspace: Workspace, words: list[str], expected: str) -> None:
    """Nothing is written where an argument is wrong."""
    assert workspace.new(*words) == (2, expected)
    assert not (workspace.folder / "integrations" / words[0] / "README.md").exists() or (
        words[0] == "sklearn"
    )
