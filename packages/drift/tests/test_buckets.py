"""Buckets of prediction values: where the reference's mass lies, and where its tails go."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tidegauge.batch import ModelKey, ValueBounds
from tidegauge_drift import DriftProcessor, DriftSettings, build, load, save
from tidegauge_drift.buckets import buckets
from tidegauge_drift.layout import Layout

KEY = ModelKey("fraud", "3")


def of(outputs: Any) -> tuple[float, ...]:
    """Return the buckets of one output."""
    profile = build(np.zeros((len(outputs), 1)), outputs=np.asarray(outputs, float))
    return buckets(profile.outputs[0])  # type: ignore[arg-type]


def shares(values: Any, bounds: tuple[float, ...]) -> Any:
    """Return which share of values is at or below each bound."""
    return np.searchsorted(np.sort(values), bounds, "right") / len(values)


FINITE = st.floats(-1e9, 1e9, allow_subnormal=False)


@given(
    hnp.arrays(np.float64, st.integers(1, 200), elements=FINITE)
    | hnp.arrays(np.float64, st.integers(1, 200), elements=st.sampled_from([0.0, 0.25, 1.0, 7.0]))
    | hnp.arrays(np.float64, st.integers(1, 200), elements=st.floats(0, 1))
)
def test_any_outputs_have_buckets(outputs: Any) -> None:
    """At most 20, finite and in order; the last one holds the reference's maximum."""
    bounds = of(outputs)
    assert 1 <= len(bounds) <= 20
    assert np.isfinite(bounds).all()
    assert (np.diff(bounds) > 0).all()
    assert outputs.max() <= bounds[-1]
    ValueBounds("the reference", {"": bounds})  # the core takes them


@pytest.mark.parametrize("name", ["normal", "exponential", "lognormal", "beta", "poisson"])
def test_each_tenth_of_the_mass_has_a_bucket(name: str) -> None:
    """To within a cell of the profile, or one value; and the range has a bucket every tenth."""
    draw = np.random.default_rng(7)
    values = {
        "normal": draw.normal(200, 30, 20_000),
        "exponential": -draw.exponential(size=20_000),
        "lognormal": draw.lognormal(0, 2, 20_000),
        "beta": draw.beta(0.3, 9, 20_000),
        "poisson": draw.poisson(180, 20_000).astype(float),
    }[name]
    bounds = of(values)
    most_common = np.unique(values, return_counts=True)[1].max() / len(values)
    for tenth in np.arange(1, 10) / 10:
        assert np.abs(shares(values, bounds) - tenth).min() < 0.02 + most_common
    low, high = (0, 1) if name == "beta" else (values.min(), values.max())
    gaps = np.diff([b for b in (low, *bounds) if b >= low])
    assert gaps.max() <= (high - low) / 10 * 1.03
    if name != "beta":
        assert (values.min(), values.max()) == (bounds[0], bounds[-1])


def test_bounds_are_labels_that_can_be_read() -> None:
    """Rounded as far as their neighbours allow; of probabilities the even steps are tenths."""
    draw = np.random.default_rng(7)
    probability = of(draw.beta(2, 2, 5000))
    assert set(np.arange(1, 11) / 10) <= set(probability)
    assert max(len(str(bound)) for bound in probability) <= 6
    assert max(len(str(bound)) for bound in of(draw.normal(200, 30, 5000))[1:-1]) <= 6


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ([0, 1, 2] * 20, (0.0, 1.0, 2.0)),
        ([7.5] * 5, (7.5,)),
        ([-1.0, 1.0], (-1.0, 1.0)),
        ([0.0] * 90 + [1.0] * 10, (0.0, 1.0)),
    ],
)
def test_a_few_values_are_their_own_buckets(
    outputs: list[float], expected: tuple[float, ...]
) -> None:
    """Codes of classes, scores of a small tree: nothing lies between."""
    assert expected == of(outputs)


def test_a_value_that_many_rows_share_is_a_bound() -> None:
    """Exactly, so that its rows are in the bucket that ends with it."""
    draw = np.random.default_rng(7)
    values = np.where(draw.random(5000) < 0.4, 1 / 3, draw.normal(size=5000))
    bounds = of(values)
    assert 1 / 3 in bounds
    below, at = shares(values, (np.nextafter(1 / 3, 0), 1 / 3))
    assert at - below > 0.39


# -- what the core is told -------------------------------------------------------------------------


def processor(path: Path, **settings: Any) -> DriftProcessor:
    """Return drift with references at a path."""
    return DriftProcessor(settings=DriftSettings(reference=str(path), **settings))


def profile(shift: float = 0.0, features: int = 2) -> Any:
    """Return a reference with one output."""
    rows, outputs = (np.random.default_rng(seed) for seed in (7, 8))
    return build(rows.normal(size=(500, features)), outputs=outputs.normal(size=500) + shift)


def test_outputs_get_the_buckets_of_their_reference(tmp_path: Path) -> None:
    """By name, or by place where there are as many; what the reference does not know has none."""
    draw = np.random.default_rng(7)
    outputs = {"no": draw.random(500), "yes": 5 + draw.random(500), "kind": ["a", "b"] * 250}
    pandas = pytest.importorskip("pandas")
    made = build(np.zeros((500, 1)), outputs=pandas.DataFrame(outputs))
    save(made, tmp_path / "fraud.reference.json")
    no, yes = (buckets(feature) for feature in made.outputs[:2])  # type: ignore[arg-type]
    ask = processor(tmp_path).value_bounds

    def bounds(*names: str) -> Any:
        found = ask(KEY, "predict", names)
        return found and found.bounds

    assert {"yes": yes, "no": no} == bounds("yes", "other", "kind", "no")
    assert {"0": no, "1": yes} == bounds("0", "1", "2")
    assert {} == bounds("0", "1")
    assert ask(KEY, "predict", ("0", "1")).origin == ask(KEY, "predict", ("yes",)).origin  # type: ignore[union-attr]
    assert None is ask(ModelKey("another"), "predict", ("0",))
    assert None is DriftProcessor(settings=DriftSettings()).value_bounds(KEY, "predict", ("",))


def test_only_the_operation_that_is_compared_has_buckets(tmp_path: Path) -> None:
    """The reference's outputs are those of one operation, where a setting names it."""
    path = tmp_path / "r.json"
    save(profile(), path)
    ask = processor(path, operation="predict_proba").value_bounds
    assert None is ask(KEY, "predict", ("",))
    assert ask(KEY, "predict_proba", ("",)) == processor(path).value_bounds(KEY, "any", ("",))


def test_origins_tell_buckets_apart(tmp_path: Path) -> None:
    """The same outputs are one origin whatever the features; none are no origin."""
    origins = []
    for number, made in enumerate(
        [profile(), profile(features=1), profile(1.0), dataclasses.replace(profile(), outputs=())]
    ):
        path = tmp_path / f"{number}.json"
        save(made, path)
        found = processor(path).value_bounds(KEY, "predict", ("",))
        assert found == Layout(made).value_bounds(("",)) == Layout(load(path)).value_bounds(("",))
        assert found is not None
        origins.append(found.origin)
    assert origins[0] == origins[1] != origins[2]
    assert "" == origins[3]


def test_a_changed_reference_brings_its_buckets(tmp_path: Path) -> None:
    """With the tick that loads it; a file that appears later as well."""
    path = tmp_path / "r.json"
    drift = processor(path)
    assert None is drift.value_bounds(KEY, "predict", ("",))
    for step, shift in enumerate((0.0, 9.0), 1):
        save(profile(shift), path)
        drift.on_tick(1_700_000_000.0 + 10 * step)
        found = drift.value_bounds(KEY, "predict", ("",))
        assert found == Layout(profile(shift)).value_bounds(("",))


def test_names_without_end_do_not_fill_memory() -> None:
    """A model that calls its outputs anew each time is answered, not remembered."""
    layout = Layout(profile())
    for number in range(1000):
        assert len(layout.value_bounds((str(number),)).bounds) == 1
    assert len(layout._bounds) <= 64
