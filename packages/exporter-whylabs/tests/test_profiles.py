"""Profiles read back with whylogs itself, and compared with numpy."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from tidegauge.batch import Batch, ModelKey
from tidegauge.features import FeatureSettings
from tidegauge_exporter_whylabs.backlog import Taken
from tidegauge_exporter_whylabs.profiler import GRACE_S, Open, Profiler
from tidegauge_testkit.batches import FRAUD, NOON_S, batch, table

pytest.importorskip("whylogs", reason="needs whylogs, which has no wheels above Python 3.12")

HOUR_S = 3600
HOUR = datetime.fromtimestamp(NOON_S, UTC)


@pytest.fixture
def profiler() -> Profiler:
    """Return a profiler of one worker, with profiles of an hour."""
    return Profiler("0a1b2c3d", HOUR_S, FeatureSettings())


def take(profiler: Profiler, *batches: Batch, now_s: float = NOON_S) -> None:
    """Give it batches at once."""
    profiler.take([Taken(each, each.end_times.size, 0) for each in batches], now_s)


def view(found: Open) -> Any:
    """Return a profile as whylogs reads its file."""
    from whylogs.core import DatasetProfileView

    return DatasetProfileView.deserialize(found.content())


def summary(found: Any, name: str) -> dict[str, Any]:
    """Return all that whylogs says of a column."""
    return dict(found.get_column(name).to_summary_dict())


def test_numbers_agree_with_numpy(profiler: Profiler) -> None:
    """Counts and extremes exactly, the mean to rounding, quantiles within the sketch's error."""
    rng = np.random.default_rng(7)
    values = rng.lognormal(size=(20_000, 1))
    values[rng.random(20_000) < 0.1] = np.nan
    for part in np.split(values, 40):
        take(profiler, batch(part, names=("amount",)))
    (found,) = profiler.all()
    read = view(found)
    said = summary(read, "amount")
    finite = values[~np.isnan(values)]
    assert {20_000, 20_000 - finite.size} == {said["counts/n"], said["counts/null"]}
    assert said["counts/nan"] == said["counts/null"]
    assert (finite.min(), finite.max()) == (said["distribution/min"], said["distribution/max"])
    assert finite.size == said["distribution/n"]
    assert finite.mean() == pytest.approx(said["distribution/mean"], rel=1e-12)
    assert finite.std(ddof=1) == pytest.approx(said["distribution/stddev"], rel=1e-9)
    sketch = read.get_column("amount").get_metric("distribution").kll.value
    error = sketch.normalized_rank_error(False)
    assert 0 < error < 0.01
    for share in (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99):
        quantile = sketch.get_quantiles([share])[0]
        assert abs((finite <= quantile).mean() - share) < 2 * error
    assert finite.size == pytest.approx(said["cardinality/est"], rel=0.05)


def test_columns_without_end_are_not_kept(
    profiler: Profiler, monkeypatch: pytest.MonkeyPatch, said: Callable[[int], list[str]]
) -> None:
    """Whoever sends a request may choose its keys; the columns that are there go on."""
    monkeypatch.setattr("tidegauge_exporter_whylabs.profiler.MOST_COLUMNS", 2)
    for name in ("amount", "age", "k1", "k2", "amount"):
        take(profiler, batch(np.ones((10, 1)), names=(name,)))
    (found,) = profiler.all()
    counts = {name: summary(view(found), name)["counts/n"] for name in view(found).get_columns()}
    assert {"amount": 20, "age": 10} == counts
    assert [
        "fraud 3: got more than 2 columns within a profile; expected at most so many. Further ones "
        "are not profiled. Name features by what they are, not by what a request holds."
    ] == said(logging.WARNING)


def test_categories_agree_with_a_count(profiler: Profiler) -> None:
    """With numpy 2, on which whylogs itself fails for text; also cut to what it keeps of a text."""
    rng = np.random.default_rng(7)
    values = [["de", "us", "fr", None, True, "x" * 300][k] for k in rng.integers(0, 6, 3000)]
    take(profiler, batch(features=table({"country": values})))
    (found,) = profiler.all()
    read = view(found)
    said = summary(read, "country")
    counts = Counter(values)
    items = read.get_column("country").get_metric("frequent_items").strings
    expected = {"de": counts["de"], "us": counts["us"], "fr": counts["fr"],
                "True": counts[True], "x" * 128: counts["x" * 300]}  # fmt: skip
    assert expected == {item.value: item.est for item in items}
    assert (3000, counts[None]) == (said["counts/n"], said["counts/null"])
    assert 3000 - counts[None] - counts[True] == said["types/string"]
    assert counts[True] == said["types/boolean"] == said["counts/true"]
    assert 5 == round(said["cardinality/est"])


def test_integers_are_integers(profiler: Profiler) -> None:
    """Though the pipeline has them as float64; labels then have their frequencies."""
    labels = np.array([0.0, 1.0, 1.0, 2.0] * 50).reshape(-1, 1)
    take(profiler, batch(outputs=batch(labels, names=("",)).features))
    (found,) = profiler.all()
    read = view(found)
    items = read.get_column("output").get_metric("frequent_items").strings
    assert {"0": 50, "1": 100, "2": 50} == {item.value: item.est for item in items}
    assert 200 == summary(read, "output")["types/integral"]
    assert (0, 2) == (summary(read, "output")["ints/min"], summary(read, "output")["ints/max"])


def test_infinite_values_do_not_spoil_the_mean(profiler: Profiler) -> None:
    """They are counted as what they are."""
    take(profiler, batch(np.array([[1.5], [np.inf], [-np.inf], [2.5]]), names=("a",)))
    said = summary(view(profiler.all()[0]), "a")
    assert (4, 2, 0, 2.0) == (
        said["counts/n"], said["counts/inf"], said["counts/null"], said["distribution/mean"]
    )  # fmt: skip


def test_a_column_that_begins_empty_is_still_read(profiler: Profiler) -> None:
    """What comes later decides what is in it."""
    take(profiler, batch(features=table({"a": [None, None], "b": [[1], [2]]})))
    take(profiler, batch(features=table({"a": ["de", "us"], "b": [1.5, 2.5]})))
    found = view(profiler.all()[0])
    items = found.get_column("a").get_metric("frequent_items").strings
    assert {"de", "us"} == {item.value for item in items}
    assert (2, 2, 2.0) == tuple(
        summary(found, "b")[name]
        for name in ("types/object", "types/fractional", "distribution/mean")
    )


def test_a_profile_says_whose_it_is(profiler: Profiler) -> None:
    """Model and version as they are, its id where WhyLabs looks for it, and its hour."""
    take(profiler, batch(np.ones((3, 1)), key=ModelKey("Fraud: model", "3 b"), at_s=NOON_S + 1800))
    (found,) = profiler.all()
    read = view(found)
    assert {
        "tidegauge.model": "Fraud: model",
        "tidegauge.version": "3 b",
        "tidegauge.rows_offered": "3",
        "whylabs.traceId": str(found.id),
    } == read.metadata
    assert HOUR == read.dataset_timestamp


def test_rows_of_two_hours_are_in_two_profiles(profiler: Profiler) -> None:
    """By the time when each call ended."""
    ends = np.array([NOON_S - 1, NOON_S - 0.5, NOON_S, NOON_S + 1])
    take(profiler, batch(np.arange(4.0).reshape(-1, 1), names=("a",), at_s=ends))
    found = {each.id.start_s - NOON_S: summary(view(each), "a") for each in profiler.all()}
    assert {-HOUR_S, 0} == set(found)
    assert [0.5, 2.5] == [found[start]["distribution/mean"] for start in (-HOUR_S, 0)]


def test_a_profile_is_closed_when_its_hour_is_over(profiler: Profiler) -> None:
    """A little later, for calls that have just ended; who comes after that has another profile."""
    take(profiler, batch(np.ones((1, 1))))
    assert [] == profiler.due(NOON_S + HOUR_S + GRACE_S - 0.1)
    (first,) = profiler.due(NOON_S + HOUR_S + GRACE_S)
    assert [] == profiler.due(NOON_S + HOUR_S + GRACE_S)
    take(profiler, batch(np.ones((1, 1))))
    (late,) = profiler.due(NOON_S + HOUR_S + GRACE_S)
    assert first.id.start_s == late.id.start_s
    assert first.id.worker != late.id.worker


def test_models_and_versions_have_their_own(profiler: Profiler) -> None:
    """None is mixed with another."""
    keys = [FRAUD, ModelKey("fraud", "4"), ModelKey("churn", "3")]
    take(profiler, *(batch(np.ones((n + 1, 1)), names=("a",), key=k) for n, k in enumerate(keys)))
    rows = {each.key: summary(view(each), "a")["counts/n"] for each in profiler.all()}
    assert {key: n + 1 for n, key in enumerate(keys)} == rows


def test_one_operation_of_a_model_is_profiled(profiler: Profiler) -> None:
    """Rows that were asked for twice are not counted twice; the more telling one has its own."""
    rows = [batch(np.ones((2, 1)), names=("a",), operation=o) for o in ("predict", "predict_proba")]
    take(profiler, rows[0])
    take(profiler, *rows)
    take(profiler, *rows)
    found = profiler.all()
    assert [2, 4] == [summary(view(each), "a")["counts/n"] for each in found]


def test_open_profiles_are_given_when_they_have_changed(profiler: Profiler) -> None:
    """What was written down already is not written again."""
    take(profiler, batch(np.ones((1, 1))))
    assert [1, 0] == [len(list(profiler.changed())) for _ in range(2)]
    take(profiler, batch(np.ones((1, 1))))
    assert 1 == len(list(profiler.changed()))


def test_a_file_is_what_whylogs_itself_would_write(profiler: Profiler) -> None:
    """Though that needs a disk, and this does not."""
    rng = np.random.default_rng(7)
    names = tuple(f"f{j}" for j in range(30))
    take(profiler, batch(rng.normal(size=(500, 30)), names=names))
    take(profiler, batch(features=table({"größe": ["a", None, "b"], "n": [1, 2, 3]})))
    (found,) = profiler.all()
    content = found.content()
    ours = view(found)
    theirs = type(ours).deserialize(ours.serialize())
    assert len(content) == len(ours.serialize())
    assert theirs.metadata == ours.metadata
    assert theirs.dataset_timestamp == ours.dataset_timestamp
    assert theirs.creation_timestamp == ours.creation_timestamp
    assert set(theirs.get_columns()) == set(ours.get_columns()) == {*names, "größe", "n"}
    for name in ours.get_columns():
        assert repr(summary(theirs, name)) == repr(summary(ours, name))


def test_no_pandas_is_needed() -> None:
    """Whylogs does not bring it, and a service may not have it."""
    code = """
import sys
sys.modules["pandas"] = sys.modules["sklearn"] = sys.modules["scipy"] = None
import numpy as np
from tidegauge_testkit.batches import batch, table
from tidegauge_exporter_whylabs.backlog import Taken
from tidegauge.features import FeatureSettings
from tidegauge_exporter_whylabs.profiler import Profiler
from tidegauge_exporter_whylabs.sketches import read
profiler = Profiler("w", 3600, FeatureSettings())
rows = batch(features=table({"a": [1.5, None, 2.5], "b": ["de", "us", "de"]}))
profiler.take([Taken(rows, 3, 0)], 0.0)
found = read(profiler.all()[0].content())
print(found.get_column("a").to_summary_dict()["distribution/mean"],
      found.get_column("b").get_metric("frequent_items").strings[0].est,
      sys.modules["pandas"])
"""
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert ("2.0 2 None\n", "") == (found.stdout, found.stderr)
