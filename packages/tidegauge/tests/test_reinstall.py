"""Patches that are installed again, shared, or asked for twice are in force once."""

from __future__ import annotations

import functools
import importlib
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tidegauge import guard
from tidegauge.info import ModelInfo
from tidegauge.observe import is_live, observer, suppressor
from tidegauge.patcher import Patcher, Subclasses

NAME = "reinstalled_library"
SOURCE = """
class Available:
    def __init__(self, fn):
        self.fn = fn
        self.check = lambda _: True

    def __get__(self, instance, owner=None):
        return self.fn.__get__(instance, owner)

class Base:
    def predict(self, X):
        return X

    @Available
    def score(self, X):
        return X

    def __setstate__(self, state):
        self.__dict__.update(state)

import builtins
builtins.during_import()
"""


@pytest.fixture
def during_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Provide a library nobody has imported; what is in the list is called at its import's end."""
    (tmp_path / f"{NAME}.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    calls: list[Any] = []
    monkeypatch.setattr("builtins.during_import", lambda: [c() for c in calls], raising=False)
    guard.reset()
    yield calls
    sys.modules.pop(NAME, None)
    guard.reset()


def patcher(**more: Any) -> Patcher:
    """Declare what an integration would."""
    methods = {
        "predict": observer("predict", lambda _: ModelInfo("f", "C")), "score": suppressor()
    }  # fmt: skip
    return Patcher([Subclasses(NAME, "Base", methods, **more)])


def layers(function: Any) -> int:
    """Return how many wrappers of ours are around a function."""
    return 1 + layers(function.__wrapped__) if is_live(function) else 0


@pytest.mark.parametrize("early", [False, True])
def test_installed_again_before_the_library_comes(during_import: list[Any], early: bool) -> None:
    """Or in the middle of its import: it is patched once, and let go at once."""
    patches = patcher()
    patches.install()
    patches.remove()
    if early:
        patches.install()
    else:
        during_import.append(patches.install)
    base = importlib.import_module(NAME).Base
    assert [1, 1] == [layers(vars(base)["predict"]), layers(vars(base)["score"].fn)]
    patches.remove()
    assert [0, 0] == [layers(vars(base)["predict"]), layers(vars(base)["score"].fn)]
    assert "__init_subclass__" not in vars(base)
    assert {} == guard.counts()


def test_a_conditional_method_of_two_integrations(during_import: list[Any]) -> None:
    """It is wrapped once, and stays so until the last of them has gone."""
    base = importlib.import_module(NAME).Base
    before = vars(base)["score"].fn
    one, other = patcher(), patcher()
    one.install()
    other.install()
    assert 1 == layers(vars(base)["score"].fn)
    one.remove()
    assert 1 == layers(vars(base)["score"].fn)
    one.remove()
    other.remove()
    assert before is vars(base)["score"].fn


def test_a_library_that_loads_otherwise_is_said_once(
    during_import: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Its models are recorded all the same, those of classes by value once they are known."""
    base = importlib.import_module(NAME).Base
    patches = patcher(on_load="__reload__")
    patches.install()
    assert is_live(vars(base)["predict"])
    assert [f"{NAME} has no Base.__reload__: what it does is not noticed."] == [
        record.getMessage().partition(" This")[0] for record in caplog.records
    ]
    patches.remove()


def test_a_class_that_is_known_is_not_looked_at_again(during_import: list[Any]) -> None:
    """Loading a million objects of one class costs one look; what changed since is not seen."""
    module = importlib.import_module(NAME)
    patches = patcher(on_load="__setstate__")
    patches.install()
    model = module.Base()
    model.fitted = True
    content = pickle.dumps(model)
    assert pickle.loads(content).fitted
    wrapped = vars(module.Base)["predict"]
    module.Base.predict = functools.wraps(wrapped)(lambda self, data: data)
    pickle.loads(content)
    assert not is_live(vars(module.Base)["predict"])
    module.Base.predict = wrapped
    patches.remove()
