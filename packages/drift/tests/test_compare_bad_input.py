"""``compare`` on what data can hold, and on what is no data."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tidegauge_drift import CompareSettings, DriftReport, ProfileError, build, compare

Sound: TypeAlias = Callable[[DriftReport], DriftReport]
BAD: dict[str, tuple[Any, Any]] = {
    "constant, the same": (np.full(100, 3.0), np.full(100, 3.0)),
    "constant, another": (np.full(100, 3.0), np.full(100, 4.0)),
    "all missing": (np.full(100, np.nan), np.full(100, np.nan)),
    "missing now": (np.arange(100.0) % 7, np.full(100, np.nan)),
    "missing before": (np.full(100, np.nan), np.arange(100.0) % 7),
    "one row": (np.arange(100.0) % 7, np.array([1.0])),
    "no row": (np.arange(100.0) % 7, np.empty(0)),
    "no row before": (np.empty(0), np.arange(100.0) % 7),
    "infinite": (np.array([*range(7), np.inf, -np.inf] * 12, float), np.full(100, np.inf)),
    "text and numbers": (["a", 1, None, 2.5] * 25, [1, "1", "b", None] * 25),
    "unhashable": ([["a"], "b", "c", "c"] * 25, ["b", ["a"], {}, None] * 25),
    "many categories": ([f"c{i % 100_000}" for i in range(120_000)], [f"c{i}" for i in range(99)]),
    "missing categories": (["a", None, "b", math.nan] * 25, ["a", pd.NA, None, "b"] * 25),
    "two by two": (["a"] * 99 + ["b"], ["a"] * 50 + ["b"] * 50),
    "one category": (["a"] * 100, ["a"] * 100),
    "other categories": (["a", "b"] * 50, ["c", "d"] * 50),
    "denormal": (np.array([5e-324, 1e-323, 0.0, 2e-323] * 25), np.array([5e-324] * 100)),
    "huge": (np.tile([1e308, -1e308, 1.7e308, 0], 25), np.tile([1e308, -1.7e308, 1.0, 0], 25)),
    "large": (1e15 + np.arange(100.0) % 9, 1e15 + np.arange(100.0) % 7),
    "times as numbers": (1.7e9 + np.arange(100.0) % 10 - 5, 1.7e9 + np.arange(100.0) % 5),
    "float32": ((np.arange(100) % 10 / 7).astype(np.float32), np.arange(100) % 10 / 7),
    "tiny spread": (1 + 1e-12 * (np.arange(100.0) % 9), 1 + 2e-12 * (np.arange(100.0) % 9)),
    "booleans and numbers": (np.array([True, False] * 50), np.arange(100) % 3),
    "numbers and text": (np.arange(100.0) % 7, ["a", "3", None, "inf"] * 25),
    "numbers and times": (np.arange(100.0) % 7, np.array(["2026-01-01", "NaT"] * 50, "M8[s]")),
    "times": (np.array(["2026-01-01"] * 100, "M8[s]"), np.arange(100.0) % 7),
    "complex": (np.arange(100.0) % 7, np.arange(100) * 1j),
    "signalling NaN": ([Decimal("sNaN"), Decimal(1)] * 50, [Decimal("NaN"), Decimal("sNaN")] * 50),
    "integers beyond float64": ([10**400, 1, 2, 3] * 25, [10**400, 1, 2, 3] * 25),
}  # fmt: skip


@pytest.mark.parametrize("against", ["rows", "profile"])
@pytest.mark.parametrize("case", BAD)
def test_bad_columns_never_raise_and_never_touch_another(
    case: str, against: str, sound: Sound
) -> None:
    """A finite value or none with a reason; the feature beside it is compared as ever."""
    before, after = BAD[case]
    rng = np.random.default_rng(14)
    frames = [
        pd.DataFrame({"count": _series(values), "le": rng.normal(size=len(values))})
        for values in (before, after)
    ]
    if len(frames[0]) == 0 and against == "profile":
        pytest.skip("a profile has rows")
    with np.errstate(all="ignore"):
        reference: Any = frames[0] if against == "rows" else build(frames[0])
    report = sound(compare(reference, frames[1]))

    alone = compare(frames[0][["le"]], frames[1][["le"]])["le"]
    assert report["le"].drifted == alone.drifted
    if isinstance(reference, pd.DataFrame):
        assert report["le"].statistics == alone.statistics
    found = [feature for feature in report.features if feature.name == "count"]
    assert not any("could not be compared" in feature.reason for feature in found)


def _series(values: Any) -> pd.Series[Any]:
    return pd.Series(values, dtype=object if isinstance(values, list) else None)


def test_what_bad_columns_say() -> None:
    """The hard inputs that other tools get wrong."""

    def verdict(case: str) -> tuple[bool | None, bool, str]:
        frames = [pd.DataFrame({"x": _series(values)}) for values in BAD[case]]
        (feature,) = compare(*frames).features
        return feature.drifted, feature.quality_flagged, feature.reason

    assert verdict("constant, the same") == (False, False, "")
    assert verdict("constant, another") == (True, True, "")
    nothing = "the current rows have no value that can be compared"
    assert verdict("missing now") == (None, True, nothing)
    assert verdict("missing before")[:2] == (None, True)
    assert verdict("one row") == (
        None,
        False,
        "current has 1 rows with a value; a verdict needs 30",
    )
    assert verdict("no row") == (None, False, nothing)
    assert verdict("infinite") == (None, True, nothing)
    assert verdict("two by two") == (True, False, "")
    assert verdict("other categories") == (True, True, "")
    assert verdict("tiny spread") == (True, True, "")
    assert verdict("float32")[0] is False
    assert verdict("times")[2] == "left out: holds times"
    assert verdict("numbers and text")[1]


def test_columns_that_share_a_name_are_left_alone(sound: Sound) -> None:
    """The others go on; integer names are names."""
    rng = np.random.default_rng(15)
    frame = pd.DataFrame(rng.normal(size=(100, 3)), columns=["a", "a", 7])
    report = sound(compare(frame, frame))

    assert report["a"].reason == "several columns have this name"
    assert report["7"].drifted is False
    assert len(report.features) == 2
    profile = build(pd.DataFrame(rng.normal(size=(100, 2)), columns=["a", "7"]))
    assert compare(profile, frame)["a"].reason == "several columns have this name"


def test_a_fault_of_ours_stays_with_its_feature(
    monkeypatch: pytest.MonkeyPatch, sound: Sound
) -> None:
    """It has no verdict and says so; nothing is raised."""

    def broken(*_: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr("tidegauge_drift.report.pairing.compare_categories", broken)
    frame = pd.DataFrame({"country": ["a", "b"] * 50, "amount": np.arange(100.0) % 7})
    report = sound(compare(frame, frame))

    assert report["country"].reason == "could not be compared (RuntimeError)"
    assert report["amount"].drifted is False


ONE, TWO = np.ones((3, 1)), np.ones((3, 2))
TIMED = CompareSettings(time_column="t")
SEASONAL = build(
    pd.DataFrame({"t": np.arange(200.0) * 3600, "x0": np.arange(200.0) % 7}),
    time_column="t", season="hour",
)  # fmt: skip
REFUSED: tuple[tuple[Any, Any, Any, type[Exception], str], ...] = (
    (None, ONE, None, TypeError, "reference: got NoneType from the argument; expected a pandas"),
    (ONE, [[1.0]], None, TypeError, "current: got list from the argument; expected a pandas"),
    (np.ones(3), ONE, None, ValueError, "reference: got an array of shape (3,) from the"),
    (ONE, TWO, None, ValueError, "current: got 2 columns from the argument; expected 1"),
    (ONE, ONE, {}, TypeError, "settings: got dict from the argument; expected a CompareSettings"),
    (
        ONE,
        ONE,
        CompareSettings(drop=["y"]),
        ValueError,
        "drop: got 'y' from the argument; expected",
    ),
    (ONE, ONE, TIMED, ValueError, "time_column: got 't' from the argument; expected one of the"),
    (build(ONE), TWO, None, ValueError, "current: got 2 columns from the argument; expected 1"),
    (SEASONAL, pd.DataFrame({"x0": [1]}), TIMED, ValueError, "time_column: got 't' from the arg"),
    (pl.DataFrame({"a": [1]}), pl.LazyFrame({"a": [1]}), None, TypeError, "current: got LazyFrame"),
    (pd.DataFrame({"t": ["x"]}), pd.DataFrame({"t": ["x"]}), TIMED, ValueError, "time_column: got"),
    (pd.DataFrame({"t": [1, None]}), pd.DataFrame({"t": [1]}), TIMED, ValueError, "time_column: "),
)


@pytest.mark.parametrize("refused", REFUSED)
def test_wrong_arguments_are_refused(
    refused: tuple[Any, Any, Any, type[Exception], str],
) -> None:
    """The argument, what was given and what is accepted."""
    reference, current, options, error, message = refused
    with pytest.raises(error, match=re.escape(message)):
        compare(reference, current, settings=options)


@pytest.mark.parametrize(
    ("option", "value", "error", "message"),
    [
        ("outputs", "score", TypeError, "got 'score' (str) from the argument; expected a list of"),
        ("alpha", "5", TypeError, "got '5' (str) from the argument; expected a number"),
        ("alpha", 5, ValueError, "got 5 from the argument; expected a level in (0, 1), as 0.05"),
        ("time_column", 3, TypeError, "got 3 (int) from the argument; expected a name"),
        ("multivariate", 1, TypeError, "got 1 (int) from the argument; expected True or False"),
    ],
)
def test_wrong_settings_are_refused(
    option: str, value: Any, error: type[Exception], message: str
) -> None:
    """As wrong arguments."""
    with pytest.raises(error, match=re.escape(f"{option}: {message}")):
        CompareSettings(**{option: value})


NUMBERS = st.one_of(
    st.floats(), st.integers(-(10**20), 10**20), st.sampled_from([0.0, 1.0, 1.7e9, 5e-324])
)
ANYTHING = st.one_of(
    NUMBERS, st.none(), st.booleans(), st.text(max_size=3), st.decimals(), st.dates(),
    st.timedeltas(), st.binary(max_size=2), st.sampled_from([pd.NA, pd.NaT, [], {}, 1j]),
)  # fmt: skip
COLUMNS = st.one_of(
    st.lists(NUMBERS, max_size=60), st.lists(st.text(max_size=2), max_size=60),
    st.lists(ANYTHING, max_size=60), st.lists(st.sampled_from([1, 2.5, None]), max_size=60),
)  # fmt: skip


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=COLUMNS, after=COLUMNS, profile=st.booleans())
def test_whatever_a_column_holds_a_report_comes_out(
    before: list[Any], after: list[Any], profile: bool, sound: Sound
) -> None:
    """Of rows and of a profile; also as a page."""
    reference = pd.DataFrame({"x": pd.Series(before, dtype=object)})
    current = pd.DataFrame({"x": pd.Series(after, dtype=object)})
    base: Any = reference
    if profile:
        try:
            base = build(reference)
        except ProfileError:  # no column that can take part
            return
    report = sound(compare(base, current))

    assert len(report.to_html()) > 1_000
    assert not any("could not be compared" in feature.reason for feature in report.features)
