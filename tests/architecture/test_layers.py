"""Who may import whom, read from the folders: nothing to edit when a package is added."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

import pytest
from tidegauge_semconv import all_metrics

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*ROOT.glob("packages/*/src/*"), *ROOT.glob("integrations/*/src/*")])
PACKAGES = {source.name: source for source in SOURCES if source.is_dir()}

CORE = {"tidegauge_semconv", "tidegauge"}
ALLOWED = {
    "tidegauge_semconv": set(),
    "tidegauge": {"tidegauge_semconv"},
    "tidegauge_performance": CORE | {"tidegauge_drift"},
    # The exporters' names, so that a rule names what is scraped.
    "tidegauge_alerting": CORE | {"tidegauge_exporter_prometheus", "tidegauge_exporter_datadog"},
    "tidegauge_testkit": set(PACKAGES),
}
MAY_IMPORT_SDK = re.compile(r"tidegauge_(exporter_\w+|distro|testkit)$")


def modules(package: str) -> Iterator[tuple[Path, ast.Module]]:
    """Yield the modules of a package with their syntax trees."""
    for path in sorted(PACKAGES[package].rglob("*.py")):
        yield path, ast.parse(path.read_text("utf-8"))


def imported(tree: ast.Module) -> set[str]:
    """Return the names of all modules that a module imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_the_folders_are_found() -> None:
    """Otherwise the other tests here would pass on nothing."""
    assert {"tidegauge", "tidegauge_semconv", "tidegauge_drift", "tidegauge_sklearn"} <= set(
        PACKAGES
    )


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_one_way(package: str) -> None:
    """semconv, then tidegauge, then everything else, and none of those each other."""
    allowed = ALLOWED.get(package, CORE) | {package}
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path, tree in modules(package)
        for name in sorted(imported(tree))
        if name.partition(".")[0] in PACKAGES and name.partition(".")[0] not in allowed
    ]
    assert [] == wrong


@pytest.mark.parametrize("package", sorted(set(PACKAGES) - {"tidegauge_alerting"}))
def test_the_sdk_is_imported_where_it_may_be(package: str) -> None:
    """An app that only records has no need of the SDK."""
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path, tree in modules(package)
        for name in sorted(imported(tree))
        if (name + ".").startswith("opentelemetry.sdk.")
        and not MAY_IMPORT_SDK.match(package)
        and (package, path.name) != ("tidegauge", "producer.py")
    ]
    assert [] == wrong


@pytest.mark.parametrize("package", sorted(set(PACKAGES) - {"tidegauge_semconv"}))
def test_no_metric_name_is_a_literal(package: str) -> None:
    """A name that is written twice will differ one day."""
    names = {spec.name for spec in all_metrics()}
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno} says {node.value!r}"
        for path, tree in modules(package)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in names
    ]
    assert [] == wrong


def imported_at_once(body: Sequence[ast.stmt]) -> set[str]:
    """Return the modules that are imported with this one: not in functions, not for types alone."""
    found: set[str] = set()
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= imported(ast.Module([node], []))
        elif isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test):
            found |= imported_at_once([*node.body, *node.orelse])
    return found


@cache
def installed() -> Mapping[str, Sequence[str]]:
    """Return the distributions that have each module."""
    return packages_distributions()


def distribution(name: str) -> str:
    """Return what is installed for a module's sake, as a requirement names it."""
    if name.startswith("opentelemetry."):
        part = name.split(".")[1]
        return f"opentelemetry-{part if part in ('sdk', 'instrumentation') else 'api'}"
    top = name.partition(".")[0]
    return installed().get(top, [top])[0].lower().replace("_", "-")


# What the testkit needs for one test or another is in the groups of dependencies.
@pytest.mark.parametrize("package", sorted(set(PACKAGES) - {"tidegauge_testkit"}))
def test_what_is_imported_is_declared(package: str) -> None:
    """By whoever imports it: what another package brings today, it may not bring tomorrow."""
    project = tomllib.loads((PACKAGES[package].parents[1] / "pyproject.toml").read_text("utf-8"))
    extras = project["project"].get("optional-dependencies", {}).values()
    declared = {
        re.split(r"[^A-Za-z0-9_.-]", line)[0].lower().replace("_", "-")
        for line in chain(project["project"]["dependencies"], *extras)
    }
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path, tree in modules(package)
        if path.name != "app.py"  # the demo's, which runs in a process of its own
        for name in sorted(imported_at_once(tree.body))
        if name not in {"opentelemetry", package}
        and name.partition(".")[0] not in {package, *sys.stdlib_module_names}
        and distribution(name) not in declared
    ]
    assert [] == wrong


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_is_whole(package: str) -> None:
    """A README, types, and a reason for each dependency that is not ours."""
    folder = PACKAGES[package].parents[1]
    assert (folder / "README.md").is_file()
    assert (PACKAGES[package] / "py.typed").is_file()
    text = (folder / "pyproject.toml").read_text("utf-8")
    block = re.search(r"^dependencies = \[(.*?)^\]", text, re.DOTALL | re.MULTILINE)
    lines = block[1].splitlines() if block else []
    foreign = [line.strip() for line in lines if re.match(r'\s*"(?!tidegauge)', line)]
    assert [] == [line for line in foreign if "#" not in line]
