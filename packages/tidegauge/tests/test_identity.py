"""Which name a model goes by, when that changes, and that nothing of a dead model stays."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest
from tidegauge import Model, identity, set_model_info
from tidegauge.batch import ModelKey
from tidegauge.configuration import CoreSettings
from tidegauge.identity import resolve
from tidegauge.info import ModelInfo
from tidegauge.runtime import shared
from tidegauge.settings import SettingError, load

pytestmark = pytest.mark.usefixtures("core")


class Thing:
    """An object that can be weakly referenced."""


class Slotted:
    """One that cannot."""

    __slots__ = ()


NAMED = CoreSettings(model_name="served", model_version="7")


@pytest.mark.parametrize(
    ("info", "settings", "expected"),
    [
        (ModelInfo("f", "Ridge", "registry", "2"), NAMED, ModelKey("registry", "2")),
        (ModelInfo("f", "Ridge", "registry"), NAMED, ModelKey("registry", "7")),
        (ModelInfo("f", "Ridge"), NAMED, ModelKey("served", "7")),
        (ModelInfo("f", "Ridge"), CoreSettings(), ModelKey("Ridge", "")),
        (ModelInfo("f", "Ridge"), CoreSettings(model_version="7"), ModelKey("Ridge", "7")),
        (ModelInfo("f", "R" * 300), CoreSettings(), ModelKey("R" * 200, "")),
        (ModelInfo("f", "Ridge", "  padded "), CoreSettings(), ModelKey("padded", "")),
    ],
)
def test_precedence(info: ModelInfo, settings: CoreSettings, expected: ModelKey) -> None:
    """Registry metadata before the environment before the class."""
    assert expected == resolve(Thing(), info, settings)


@pytest.mark.parametrize(
    ("role", "setting", "expected"),
    [
        ("", "", "live"),
        ("", "canary", "canary"),
        ("shadow", "canary", "shadow"),
        ("", "fraud=shadow, churn=canary", "shadow"),
        ("", "fraud=shadow,fraud:4=canary", "canary"),
        ("", "fraud:5=canary", "live"),
        ("live", "fraud=shadow", "live"),
    ],
)
def test_the_role_is_what_is_said_of_the_version(role: str, setting: str, expected: str) -> None:
    """The app before the environment, a version before its model, a model before all."""
    settings = load(CoreSettings, {"TIDEGAUGE_MODEL_ROLE": setting})
    thing = Thing()
    assert resolve(thing, ModelInfo("f", "R", "fraud", "4", role=role), settings).role == expected
    set_model_info(thing, "fraud", "4", role=role)
    assert resolve(thing, ModelInfo("f", "R"), settings).role == expected


@pytest.mark.parametrize("wrong", ["primary", "fraud=primary", "=canary", "a=live,a=shadow", ","])
def test_another_role_is_refused(wrong: str) -> None:
    """With those that there are."""
    with pytest.raises(SettingError, match="the roles are live, canary, shadow"):
        load(CoreSettings, {"TIDEGAUGE_MODEL_ROLE": wrong})
    for call in (lambda: Model("m", role=wrong), lambda: set_model_info(Thing(), "m", role=wrong)):
        with pytest.raises(ValueError, match="expected one of live, canary, shadow"):
            call()


def test_a_version_that_is_promoted_has_its_new_role_at_once(core: Any) -> None:
    """Calls before are the canary's, calls after are live."""
    model = core.model()
    roles = []
    for role in ("canary", "live"):
        set_model_info(model, "m", "1", role=role)
        model.predict([[1.0]])
        core.pipeline.flush()
        roles += [batch.model.role for batch in core.recorder.batches]
        core.recorder.batches.clear()

    assert roles == ["canary", "live"]


def test_an_explicit_name_comes_first() -> None:
    """Whatever a registry or the environment say."""
    thing = Thing()
    set_model_info(thing, "explicit", "9")
    assert ModelKey("explicit", "9") == resolve(thing, ModelInfo("f", "R", "registry", "2"), NAMED)


def test_a_model_can_be_renamed_between_predictions(core: Any) -> None:
    """Calls before keep the old name, calls after have the new one."""
    model = core.model()
    model.predict([[1.0]])
    set_model_info(model, "fraud", "3")
    model.predict([[1.0]])
    set_model_info(model, "fraud", "4")
    model.predict([[1.0]])
    core.pipeline.flush()
    found = {key: counts.success for (key, _), counts in core.pipeline.tally.calls.items()}
    expected = {ModelKey("Stub"): 1, ModelKey("fraud", "3"): 1, ModelKey("fraud", "4"): 1}
    assert expected == found


@pytest.mark.parametrize("name", ["", " ", None, 7])
def test_an_empty_name_is_refused(name: Any) -> None:
    """The message has what was given."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message follows
        set_model_info(Thing(), name)
    assert (
        f"set_model_info name: got {name!r} from the argument; expected a non-empty text. "
        "Pass the name that alerts should show."
    ) == str(caught.value)


def test_an_object_that_cannot_be_watched_is_refused() -> None:
    """Nobody would notice when it is gone, and its name would pass to another object."""
    with pytest.raises(TypeError) as caught:
        set_model_info(Slotted(), "fraud")
    assert (
        "set_model_info model: got a Slotted from the argument; expected an object that can be "
        "weakly referenced. Use tidegauge.Model(name) around the call."
    ) == str(caught.value)


def test_a_dead_model_leaves_nothing_behind() -> None:
    """Neither in caches nor its name: its address may be another model's next."""
    cache = identity.new_cache()
    thing = Thing()
    key = id(thing)
    set_model_info(thing, "fraud")
    cache[key] = "channel"
    assert identity.watch(thing)
    del thing
    gc.collect()
    assert {} == cache
    assert key not in identity._explicit
    assert key not in identity._references


def test_a_cache_goes_with_whoever_asked_for_it() -> None:
    """An app that makes a ``Model`` a request does not make a cache a request."""
    from tidegauge import Model

    gc.collect()
    before = len(identity._caches)
    models = [Model("fraud") for _ in range(10)]
    assert before + 10 == len(identity._caches)
    for model in models:
        with model.prediction([1.0]) as p:
            p.output = 0.5
    del model, models, p
    gc.collect()
    assert before == len(identity._caches)


def test_a_model_in_a_reference_cycle_leaves_too() -> None:
    """The garbage collector's way out is one."""
    cache = identity.new_cache()
    thing: Any = Thing()
    thing.itself = thing
    cache[id(thing)] = "channel"
    identity.watch(thing)
    del thing
    gc.collect()
    assert {} == cache


def test_models_that_cannot_be_watched_are_recorded(core: Any) -> None:
    """They are asked at each call who they are, so none is taken for another."""
    from tidegauge.observe import observer

    class Bare:
        __slots__ = ("name",)

        def __init__(self, name: str) -> None:
            self.name = name

        def predict(self, data: Any) -> Any:
            return data

    Bare.predict = observer(  # type: ignore[method-assign]
        "predict",
        lambda model: ModelInfo("f", model.name),  # type: ignore[attr-defined]
    )(Bare.predict)
    for i in range(20):
        Bare(f"m{i % 2}").predict([[1.0]])
    core.pipeline.flush()
    found = {key.name: counts.success for (key, _), counts in core.pipeline.tally.calls.items()}
    assert {"m0": 10, "m1": 10} == found


def test_a_name_that_two_models_share_is_one_warning(
    core: Any, warnings_of: Callable[[], list[str]]
) -> None:
    """The environment names one model; with two, their metrics are mixed."""
    shared.settings = CoreSettings(model_name="served")
    one, same = core.model(class_name="Ridge"), core.model(class_name="Ridge")
    one.predict([[1.0]])
    same.predict([[1.0]])  # the same model loaded again is no second model
    assert [] == warnings_of()
    for _ in range(3):
        core.model(class_name="Lasso").predict([[1.0]])
        core.model(class_name="Ridge", feature_names=("a",)).predict([[1.0]])
    assert [
        "TIDEGAUGE_MODEL_NAME: 2 different models of this process share the name 'served', so "
        "their metrics are mixed. Name them apart: tidegauge.set_model_info(model, name), or "
        "TIDEGAUGE_MODEL_NAME=<file>=<name>,<file>=<name>."
    ] == warnings_of()


def test_a_model_fitted_anew_is_looked_at_anew(core: Any) -> None:
    """Its classes may be others now: outputs go by the names that they have when it predicts."""
    from tidegauge.observe import observer, suppressor

    class Classifier:
        classes: tuple[str, ...] = ("a", "b", "c")

        def fit(self) -> None:
            self.classes = ("x", "y", "z")

        def predict_proba(self, data: Any) -> Any:
            return [[0.1, 0.2, 0.7]]

    describe = lambda m: ModelInfo("f", "C", classes=m.classes)  # noqa: E731
    Classifier.predict_proba = observer(  # type: ignore[method-assign]
        "predict_proba", describe
    )(Classifier.predict_proba)
    Classifier.fit = suppressor()(Classifier.fit)  # type: ignore[method-assign]
    model = Classifier()
    model.predict_proba([[1.0]])
    model.fit()
    model.predict_proba([[1.0]])
    core.pipeline.flush()
    found = [batch.outputs.names for batch in core.recorder.batches]
    assert [("a", "b", "c"), ("x", "y", "z")] == found
