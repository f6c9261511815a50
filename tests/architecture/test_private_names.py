"""Private names of OpenTelemetry stand in two modules: a new release is looked at there."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*ROOT.glob("packages/*/src/*"), *ROOT.glob("integrations/*/src/*")])
PACKAGES = {source.name: source for source in SOURCES if source.is_dir()}

ALLOWED = {
    "_is_instrumented_by_opentelemetry",  # no public look-up; contrib's own loader reads it so
    "_logs",  # how the logs API is called until it is stable
    "_configuration",  # its module
    "_OTelSDKConfigurator",  # the class that every vendor's configurator derives from
}
# What every process uses, and what a forked child repairs.
PLACES = {("tidegauge", "otel_private.py"), ("tidegauge", "otel_fork.py")}
WATCHED = (
    "opentelemetry.context",
    "opentelemetry.metrics",
    "opentelemetry.trace",
    "opentelemetry.sdk",
)


def trees(folder: Path) -> Iterator[tuple[Path, ast.Module]]:
    """Yield the modules of a folder with their syntax trees."""
    for path in sorted(folder.rglob("*.py")):
        yield path, ast.parse(path.read_text("utf-8"))


def private(name: object) -> bool:
    """Say whether a name is private, and no dunder."""
    return isinstance(name, str) and name.startswith("_") and not name.startswith("__")


def of_self(node: ast.Attribute) -> bool:
    """Say whether an attribute is an object's own."""
    return isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")


def defined(tree: ast.Module) -> set[str]:
    """Return the private names that a module makes: functions, classes, variables, attributes."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and of_self(node):
            found.add(node.attr)
    return set(filter(private, found))


@cache
def of_opentelemetry() -> frozenset[str]:
    """Return the private names that OpenTelemetry's own modules make."""
    found: set[str] = set()
    for name in WATCHED:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        for place in spec.submodule_search_locations or ():
            for path, tree in trees(Path(place)):
                found |= {*defined(tree), *filter(private, (path.stem, *path.parent.parts))}
    return frozenset(found - ALLOWED)


def used(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the private names that a module takes from objects and modules of others."""
    for node in ast.walk(tree):
        for name in taken(node):
            if private(name):
                yield getattr(node, "lineno", 0), str(name)


def taken(node: ast.AST) -> list[object]:
    """Return the names that one expression or import takes from elsewhere."""
    if isinstance(node, ast.Attribute):
        return [] if of_self(node) else [node.attr]
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("getattr", "setattr"):
        return [name.value for name in node.args[1:2] if isinstance(name, ast.Constant)]
    if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("opentelemetry"):
        return [*(node.module or "").split("."), *(alias.name for alias in node.names)]
    if isinstance(node, ast.Import):
        return [part for alias in node.names for part in alias.name.split(".")]
    return []


def test_the_names_are_found() -> None:
    """Otherwise the test below would pass on nothing."""
    assert {"_collect", "_SUPPRESS_INSTRUMENTATION_KEY", "_sdk_config"} <= of_opentelemetry()


@pytest.mark.parametrize("package", sorted(set(PACKAGES) - {"tidegauge_testkit"}))
def test_private_names_are_where_they_belong(package: str) -> None:
    """Where one is missing in a release, one feature is off and says so."""
    wrong = [
        f"{path.relative_to(ROOT)}:{line} uses {name}"
        for path, tree in trees(PACKAGES[package])
        if (package, path.name) not in PLACES
        for line, name in used(tree)
        if name in of_opentelemetry() - defined(tree)
    ]
    assert [] == wrong
