"""The processor: settings, operations, reload, what is exported, and that reading is reading."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from tidegauge.batch import Batch, ModelKey, Table
from tidegauge_drift import DriftProcessor, DriftSettings, build, save
from tidegauge_drift.window import WindowSpec

if TYPE_CHECKING:
    from pathlib import Path

    from tidegauge_drift.verdict import WindowVerdict

Matrix = NDArray[np.float64]
Make = Callable[..., Any]
START_S = 1_700_000_000.0
FRAUD = ModelKey("fraud", "3")
WINDOWS = (WindowSpec.parse("300rows"), WindowSpec.parse("1d"))


def _reference(path: Path, seed: int = 0, rows: int = 2000, loc: float = 0.0) -> Path:
    save(build(np.random.default_rng(seed).normal(loc, 1, (rows, 3)), built="2026-01-01"), path)
    return path


def _send(
    processor: DriftProcessor,
    rows: Matrix,
    start_s: float,
    *,
    model: ModelKey = FRAUD,
    operation: str = "predict",
    names: tuple[str, ...] | None = None,
    outputs: Matrix | None = None,
) -> float:
    """Send rows at 100 a second, then let their panes close; return the time after."""
    for i in range(0, len(rows), 100):
        now = start_s + i / 100
        part = rows[i : i + 100]
        given = None if outputs is None else Table(len(part), None, matrix=outputs[i : i + 100])
        table = Table(len(part), names, matrix=part)
        processor.on_batch(Batch(model, operation, np.full(len(part), now), table, given))
        processor.on_tick(now)
    end = start_s + len(rows) / 100
    processor.on_tick(end + 14)
    return end + 14


def _values(processor: DriftProcessor, name: str) -> dict[tuple[str, ...], float]:
    return {p.attributes: p.value for p in processor.points() if p.spec.name == name}


def _processor(path: Path, **changes: Any) -> DriftProcessor:
    options = {"reference": str(path), "windows": WINDOWS, **changes}
    listener = options.pop("listener", None)
    return DriftProcessor(settings=DriftSettings(**options), listener=listener)


def test_nothing_but_the_reference_is_exported_before_a_window_closed(tmp_path: Path) -> None:
    """No data is no data point."""
    processor = _processor(_reference(tmp_path / "a.json"))
    rows = np.random.default_rng(1).normal(size=(200, 3))
    _send(processor, rows, START_S)

    names = [point.spec.name for point in processor.points()]
    assert names == ["drift.reference.info"]
    (info,) = _values(processor, "drift.reference.info")
    assert info[:2] == ("fraud", "3")
    assert info[3:] == ("memory", "2026-01-01", "2000")
    assert len(info[2]) == 8


def test_a_closed_window_is_exported_with_full_attributes(tmp_path: Path) -> None:
    """Every value has its attributes in the order of its spec; the alarm starts at 0."""
    processor = _processor(_reference(tmp_path / "a.json"))
    _send(processor, np.random.default_rng(1).normal(size=(1000, 3)), START_S)
    points = list(processor.points())
    seen = {point.spec.name for point in points}

    assert seen == {
        "drift.reference.info", "drift.psi.value", "drift.ks.statistic", "drift.effective.rows",
        "drift.detected", "drift.features", "drift.window.rows",
    }  # fmt: skip
    for point in points:
        assert len(point.attributes) == len(point.spec.attributes)
        assert all(isinstance(value, str) for value in point.attributes)
        assert np.isfinite(point.value)
    assert len({(p.spec.name, p.attributes) for p in points}) == len(points)
    detected = _values(processor, "drift.detected")
    assert set(detected.values()) == {0.0}
    assert {key[3:] for key in detected} == {
        (name, "300rows", family)
        for name in ("x0", "x1", "x2", "")
        for family in ("inputs", "data_quality")
    }
    assert min(_values(processor, "drift.effective.rows").values()) >= 300


def test_export_chooses_the_values(tmp_path: Path) -> None:
    """Aggregates are always there."""
    always = {"drift.reference.info", "drift.features", "drift.window.rows"}
    for export, names in (
        ("ks.statistic", {"drift.ks.statistic"}),
        ("psi", {"drift.psi.value", "drift.effective.rows"}),
    ):
        processor = _processor(_reference(tmp_path / "a.json"), export=(export,))
        _send(processor, np.random.default_rng(1).normal(size=(1000, 3)), START_S)
        assert {point.spec.name for point in processor.points()} == always | names


def test_past_the_budget_the_largest_effects_are_exported(tmp_path: Path) -> None:
    """60 series: 7 of 40 features, the shifted one among them, and the aggregates."""
    rng = np.random.default_rng(2)
    save(build(rng.normal(size=(2000, 40))), tmp_path / "a.json")
    processor = _processor(tmp_path / "a.json", max_series=60)
    rows = rng.normal(size=(1000, 40))
    rows[:, 31] += 1
    _send(processor, rows, START_S)
    psi = {key[3] for key in _values(processor, "drift.psi.value")}

    assert len(list(processor.points())) <= 60
    assert len(psi) == 7
    assert "x31" in psi
    assert sum(_values(processor, "drift.features").values()) == 40


@pytest.mark.parametrize(
    ("calls", "counted"),
    [
        ([("predict", 400), ("decision_function", 400)], 400),
        ([("decision_function", 400), ("predict", 400), ("predict_proba", 400)], 400),
        ([("transform", 400), ("predict", 400)], 400),
        ([("transform", 400), ("encode", 400)], 400),
    ],
)
def test_one_operation_feeds_drift(
    tmp_path: Path, calls: list[tuple[str, int]], counted: int
) -> None:
    """The highest seen so far; a higher one starts the windows anew."""
    seen: list[WindowVerdict] = []
    processor = _processor(
        _reference(tmp_path / "a.json"), windows=(WindowSpec.parse("30rows"),),
        listener=lambda _, verdict: seen.append(verdict),
    )  # fmt: skip
    rng = np.random.default_rng(3)
    for operation, rows in calls:
        batch = np.full(rows, START_S)
        table = Table(rows, None, matrix=rng.normal(size=(rows, 3)))
        processor.on_batch(Batch(ModelKey("m"), operation, batch, table, None))
    processor.on_tick(START_S + 60)

    assert [verdict.rows for verdict in seen] == [counted]


def test_a_setting_fixes_the_operation(tmp_path: Path) -> None:
    """Others are not counted, higher ones neither."""
    processor = _processor(_reference(tmp_path / "a.json"), operation="predict")
    rng = np.random.default_rng(4)
    _send(processor, rng.normal(size=(1000, 3)), START_S, operation="predict_proba")
    assert list(processor.points()) == []
    _send(processor, rng.normal(size=(1000, 3)), START_S + 60)
    assert _values(processor, "drift.window.rows")


def test_a_higher_operation_drops_what_was_seen(tmp_path: Path) -> None:
    """Verdicts of predict are not shown as those of predict_proba."""
    processor = _processor(_reference(tmp_path / "a.json"))
    rng = np.random.default_rng(5)
    now = _send(processor, rng.normal(size=(1000, 3)), START_S)
    assert _values(processor, "drift.window.rows")
    _send(processor, rng.normal(size=(100, 3)), now, operation="predict_proba")
    assert not _values(processor, "drift.window.rows")


def test_models_share_a_file_where_their_features_match(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The other model is told once and has no series."""
    processor = _processor(_reference(tmp_path / "a.json"))
    rng = np.random.default_rng(6)
    with caplog.at_level(logging.WARNING, "tidegauge.drift"):
        now = _send(processor, rng.normal(size=(1000, 3)), START_S, model=ModelKey("one"))
        now = _send(processor, rng.normal(size=(1000, 3)), now, model=ModelKey("two", "1"))
        _send(processor, rng.normal(size=(1000, 5)), now, model=ModelKey("other"))
    models = {point.attributes[0] for point in processor.points()}

    assert models == {"one", "two"}
    assert [record.getMessage() for record in caplog.records] == [
        (
            "other: no drift of its inputs: the reference has 3 columns, the model gets 5 without "
            "names. Build the reference from rows as the model gets them."
        )
    ]


def test_a_folder_holds_one_file_a_model(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """By name; a model without a file has no drift until one appears, and it is no error."""
    _reference(tmp_path / "one.reference.json")
    processor = _processor(tmp_path)
    rng = np.random.default_rng(7)
    with caplog.at_level(logging.WARNING, "tidegauge.drift"):
        now = _send(processor, rng.normal(size=(1000, 3)), START_S, model=ModelKey("one"))
        now = _send(processor, rng.normal(size=(1000, 3)), now, model=ModelKey("a/two"))
    assert {point.attributes[0] for point in processor.points()} == {"one"}
    _reference(tmp_path / "a_two.reference.json")
    processor.on_tick(now + 6)
    _send(processor, rng.normal(size=(1000, 3)), now + 10, model=ModelKey("a/two"))

    assert {point.attributes[0] for point in processor.points()} == {"one", "a/two"}
    assert caplog.records == []


def test_a_changed_file_is_swapped_in_at_a_pane_boundary(tmp_path: Path) -> None:
    """Within 5 s it is noticed; windows start anew with the new reference."""
    path = _reference(tmp_path / "a.json")
    seen: list[WindowVerdict] = []
    processor = _processor(path, listener=lambda _, verdict: seen.append(verdict))
    rng = np.random.default_rng(8)
    now = _send(processor, rng.normal(size=(1000, 3)), START_S)
    (before,) = {key[2] for key in _values(processor, "drift.window.rows")}
    _reference(path, loc=2.0)
    processor.on_tick(now + 5)
    assert {key[2] for key in _values(processor, "drift.window.rows")} == {before}
    judged = len(seen)
    _send(processor, rng.normal(2.0, 1, size=(2000, 3)), now + 6)
    (after,) = {key[2] for key in _values(processor, "drift.window.rows")}

    assert after != before
    new = seen[judged:]
    assert all(verdict.opened_s % 10 == 0 and verdict.opened_s > now + 5 for verdict in new)
    assert not any(feature.flagged for verdict in new for feature in verdict.features)


def test_a_broken_new_file_keeps_the_old_reference(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One ERROR, whatever often it is looked at; a right file is taken again."""
    path = _reference(tmp_path / "a.json")
    processor = _processor(path)
    rng = np.random.default_rng(9)
    now = _send(processor, rng.normal(size=(1000, 3)), START_S)
    path.write_text("{", encoding="utf-8")
    with caplog.at_level(logging.WARNING, "tidegauge.drift"):
        for wait in (6, 12, 18):
            processor.on_tick(now + wait)
        path.write_text("{{", encoding="utf-8")
        processor.on_tick(now + 24)
        now = _send(processor, rng.normal(size=(1000, 3)), now + 30)

    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert record.getMessage() == (
        f"{path}: got no complete JSON from the file; expected a reference profile. "
        "Build it again with 'tidegauge reference build'. "
        "(the reference before stays until the file is right)"
    )
    (old,) = {key[2] for key in _values(processor, "drift.window.rows")}
    _reference(path, seed=99)
    processor.on_tick(now + 6)
    _send(processor, rng.normal(size=(2000, 3)), now + 10)
    (new,) = {key[2] for key in _values(processor, "drift.window.rows")}
    assert old != new


def test_a_missing_reference_is_one_error_at_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The rest works, and the file is taken when it appears."""
    path = tmp_path / "a.json"
    with caplog.at_level(logging.WARNING, "tidegauge.drift"):
        processor = _processor(path)
        rng = np.random.default_rng(10)
        now = _send(processor, rng.normal(size=(400, 3)), START_S)
    assert list(processor.points()) == []
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "no such file" in caplog.text
    _reference(path)
    processor.on_tick(now + 6)
    _send(processor, rng.normal(size=(1000, 3)), now + 10)
    assert _values(processor, "drift.window.rows")


def test_without_a_reference_there_is_no_drift_and_no_word(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Drift is off until TIDEGAUGE_REFERENCE is set."""
    processor = DriftProcessor(settings=DriftSettings())
    _send(processor, np.zeros((100, 3)), START_S)

    assert list(processor.points()) == []
    assert caplog.records == []


def test_a_malformed_setting_disables_drift_with_one_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The constructor never raises."""
    monkeypatch.setenv("TIDEGAUGE_DRIFT_WINDOWS", "7rows")
    processor = DriftProcessor(clock=lambda: 0.0)
    _send(processor, np.zeros((100, 3)), START_S)

    (message,) = [record.getMessage() for record in caplog.records]
    assert message == (
        "TIDEGAUGE_DRIFT_WINDOWS: got '7rows' from the environment; expected 1 to 4 of <n>rows "
        "(n >= 30) or <n>s, m, h, d (up to 30d), with commas between. "
        "Unset it to use 1000rows,1d. Drift is off."
    )


def test_verdicts_that_are_due_at_once_are_spread_over_ticks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tick ends when its time is used up; the next one goes on with the next model."""
    monkeypatch.setattr("tidegauge_drift.processor._TICK_S", 0.0)
    seen: list[str] = []
    processor = _processor(
        _reference(tmp_path / "a.json"), listener=lambda key, _: seen.append(key.name)
    )
    rows = np.random.default_rng(17).normal(size=(300, 3))
    for name in "abc":
        table = Table(300, None, matrix=rows)
        times = np.full(300, START_S)
        processor.on_batch(Batch(ModelKey(name), "predict", times, table, None))
    counts = []
    for _ in range(4):
        processor.on_tick(START_S + 20)
        counts.append(len(seen))

    assert counts == [1, 2, 3, 3]
    assert sorted(seen) == ["a", "b", "c"]


def test_features_can_be_excluded_at_serving_time(tmp_path: Path) -> None:
    """Globs on the names of the reference; another reference attribute, for other families."""
    path = _reference(tmp_path / "a.json")
    processor = _processor(path, exclude=("x1",))
    _send(processor, np.random.default_rng(11).normal(size=(1000, 3)), START_S)

    assert {key[3] for key in _values(processor, "drift.psi.value")} == {"x0", "x2"}


def test_renamed_reordered_and_extra_columns_are_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Reordered ones are found by name, the missing one and the extra one are named."""
    rng = np.random.default_rng(12)
    reference = pd.DataFrame(rng.normal((0, 10, 20), 1, (2000, 3)), columns=["a", "b", "c"])
    save(build(reference), tmp_path / "a.json")
    processor = _processor(tmp_path / "a.json")
    live = rng.normal((20, 0, 5), 1, (1000, 3))
    with caplog.at_level(logging.WARNING, "tidegauge.drift"):
        _send(processor, live, START_S, names=("c", "a", "beta"))
    states = {key[4]: value for key, value in _values(processor, "drift.features").items()}

    assert states["ok"] == 2
    assert states["missing"] == 1
    assert [record.getMessage() for record in caplog.records] == [
        "fraud 3: 1 of the reference's features are not in the model's rows (b); the others are "
        "compared. If the model gets no such column, build the reference without it (--drop).",
        "fraud 3: 1 columns are not in the reference (beta) and not compared.",
    ]


def test_a_wrong_reference_is_said_once_and_replaces_alarms(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One ERROR with advice; no per-feature alarm."""
    processor = _processor(_reference(tmp_path / "a.json", loc=50.0))
    with caplog.at_level(logging.WARNING, "tidegauge.drift"):
        _send(processor, np.random.default_rng(13).normal(size=(3000, 3)), START_S)
    families = {key[-1] for key in _values(processor, "drift.detected")}
    states = {key[4]: value for key, value in _values(processor, "drift.features").items()}

    assert "inputs" not in families
    assert states["reference_mismatch"] == 3
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_hard_rows_never_raise(tmp_path: Path) -> None:
    """No rows, no features, no outputs, NaN times, all NaN, objects: counted or left out."""
    processor = _processor(_reference(tmp_path / "a.json"))
    key = ModelKey("fraud")
    nothing = np.empty((0, 3))
    times = np.full(2, START_S)
    objects = np.array([[1.0, "x", None], [object(), np.inf, -np.inf]], object)
    columns = Table(2, None, columns=tuple(objects.T))
    for features in (None, Table(0, None, matrix=nothing), columns, Table(2, None, columns=())):
        rows = features.rows if features is not None else 2
        processor.on_batch(Batch(key, "predict", times[:rows], features, None))
    bad = Table(2, None, matrix=np.full((2, 3), np.nan))
    processor.on_batch(Batch(key, "predict", np.array([np.nan, START_S]), bad, None))
    processor.on_batch(Batch(key, "predict", times, bad, bad))
    processor.on_tick(START_S + 100)

    assert [point.spec.name for point in processor.points()] == ["drift.reference.info"]


def test_a_forked_child_starts_from_zero(tmp_path: Path) -> None:
    """The parent's rows stay the parent's; the reference stays."""
    processor = _processor(_reference(tmp_path / "a.json"))
    now = _send(processor, np.random.default_rng(14).normal(size=(1000, 3)), START_S)
    processor.reset()
    assert list(processor.points()) == []
    _send(processor, np.random.default_rng(15).normal(size=(1000, 3)), now)
    assert _values(processor, "drift.window.rows")


def test_models_are_bounded(tmp_path: Path) -> None:
    """The 1,001st model is not watched."""
    processor = _processor(_reference(tmp_path / "a.json", rows=50))
    row = np.zeros((1, 3))
    for i in range(1002):
        table = Table(1, None, matrix=row)
        processor.on_batch(Batch(ModelKey(f"m{i}"), "predict", np.array([START_S]), table, None))

    assert len({point.attributes[0] for point in processor.points()}) == 1000


def test_collecting_never_changes_a_verdict(tmp_path: Path) -> None:
    """No reader, one and five at the same time see one sequence of verdicts."""
    path = _reference(tmp_path / "a.json")
    rows = np.random.default_rng(16).normal(size=(3000, 3))
    rows[1500:, 1] += 1
    sequences = []
    for readers in (0, 1, 5):
        seen: list[WindowVerdict] = []
        processor = _processor(path, listener=lambda _, v, seen=seen: seen.append(v))
        stop, faults = threading.Event(), []

        def read(p: DriftProcessor = processor, s: threading.Event = stop) -> None:
            try:
                while not s.is_set():
                    for point in p.points():
                        assert np.isfinite(point.value)
            except Exception as error:
                faults.append(error)  # noqa: B023 - the thread ends before the next round

        threads = [threading.Thread(target=read) for _ in range(readers)]
        for thread in threads:
            thread.start()
        _send(processor, rows, START_S)
        stop.set()
        for thread in threads:
            thread.join(10)
        assert faults == []
        sequences.append(
            (seen, sorted((p.spec.name, p.attributes, p.value) for p in processor.points()))
        )

    assert len(sequences[0][0]) >= 3
    assert sequences[0][0][-1].detected["inputs"] is True
    assert sequences[0] == sequences[1] == sequences[2]


def test_a_replay_without_ticks_stays_small(tmp_path: Path) -> None:
    """Days of rows fed at once close their panes by themselves."""
    rng = np.random.default_rng(18)
    seen: list[WindowVerdict] = []
    processor = _processor(
        _reference(tmp_path / "a.json"), windows=(WindowSpec.parse("100rows"),),
        listener=lambda _, verdict: seen.append(verdict),
    )  # fmt: skip
    for hour in range(50):
        times = START_S + hour * 3600 + np.arange(100.0)
        table = Table(100, None, matrix=rng.normal(size=(100, 3)))
        processor.on_batch(Batch(FRAUD, "predict", times, table, None))
    (counter,) = processor._worker.counters()

    assert len(counter) <= 28
    assert len(seen) >= 40


def test_globs_that_leave_no_feature_are_an_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One line that names both settings; drift is off."""
    processor = _processor(_reference(tmp_path / "a.json"), include=("y*",))
    _send(processor, np.zeros((100, 3)), START_S)

    assert list(processor.points()) == []
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "TIDEGAUGE_FEATURES_INCLUDE, TIDEGAUGE_FEATURES_EXCLUDE: got globs" in caplog.text


def test_without_a_reference_there_is_nothing_to_leave(tmp_path: Path) -> None:
    """Neither alone nor without drift does the end of a process do anything."""
    for processor in (DriftProcessor(settings=DriftSettings()), _processor(tmp_path / "no.json")):
        processor.on_leave(START_S)
        assert list(processor.points()) == []
