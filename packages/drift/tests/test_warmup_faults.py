"""A reference learnt from live rows, where something is wrong: disks, clocks, rows, settings."""

from __future__ import annotations

import errno
import json
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from numpy.typing import NDArray
from tidegauge import guard
from tidegauge.batch import Batch, ModelKey, Table
from tidegauge.configuration import CoreSettings
from tidegauge.runtime import shared
from tidegauge.settings import SettingError
from tidegauge.settings import load as load_settings
from tidegauge_drift import DriftSettings, build, load, warmup_files
from tidegauge_drift.warmup_part import Head
from tidegauge_drift.warmup_spec import WarmupSpec

MakeLaunch = Callable[..., Any]

Matrix = NDArray[np.float64]
START_S = 1_700_000_000.0
MODEL = ModelKey("fraud", "3")
FILE = "fraud.3.reference.json"


def normal(rows: int, seed: int = 0, columns: int = 3) -> Matrix:
    """Return independent rows."""
    return np.random.default_rng(seed).normal(size=(rows, columns))


def test_a_full_disk_is_said_once_and_tried_again(
    warming: Any, state: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is lost but time: when there is room again the reference is learnt."""
    original = os.fdopen

    class Full:
        def __init__(self, *given: Any, **more: Any) -> None:
            self._file = original(*given, **more)

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            self._file.close()

        def write(self, _: bytes) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fdopen", Full)
    service = warming().serve(normal(3200))
    monkeypatch.setattr(os, "fdopen", original)
    errors = [r.message for r in caplog.records if "warm-up is in memory" in r.message]
    assert len(errors) == 1
    assert "No space left" in errors[0]
    assert list(state.iterdir()) == []
    service.serve(normal(600, 1))

    assert load(state / FILE).rows > 3000


def test_a_fault_of_ours_is_said_once_and_tried_again(
    warming: Any, state: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception while a profile is built, whatever it is: one ERROR, counted, no row's value."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("secret")

    with monkeypatch.context() as patched:
        patched.setattr("tidegauge_drift.warmup.learn", broken)
        service = warming().serve(normal(3000))
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert ["(ZeroDivisionError)" in record.message for record in errors] == [True]
    assert "secret" not in errors[0].message
    assert guard.counts()["drift.warmup.learn"] > 1
    service.serve(normal(600, 1))

    assert (state / FILE).exists()


def test_rows_of_which_nothing_can_be_learnt_are_said_once(
    warming: Any, state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Without any value there is no reference; with the first values it is tried again."""
    service = warming().serve(np.full((3000, 2), np.nan))
    errors = [r.message for r in caplog.records if r.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "fraud 3: no reference can be learnt: data: got no column that can take" in errors[0]
    service.serve(normal(600, 0, 2))

    assert (state / FILE).exists()


def test_a_clock_that_is_set_back_loses_no_row(warming: Any, state: Path) -> None:
    """The rows stay in the order in which they came; only time that rows came in counts."""
    service = warming().serve(normal(1400))
    service.now_s -= 86_400
    service.serve(normal(2000, 1))
    profile = load(state / FILE)

    assert profile.rows > 2400
    assert profile.source.startswith("warmup of 0.03")


def test_a_clock_that_jumps_ahead_is_no_day_of_service(warming: Any, state: Path) -> None:
    """A gap of more than an hour does not count."""
    service = warming("warmup:1000,1h").serve(normal(2000))
    service.now_s += 86_400
    service.serve(normal(2000, 1))

    assert not (state / FILE).exists()


def test_rows_of_another_shape_are_left_out(
    warming: Any, state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A few are said and left out; where they are the most, they are what the model gets."""
    service = warming().serve(normal(400, 0, 2)).serve(normal(300, 1, 3))
    assert "rows of other columns than those before are not learnt from" in caplog.text
    service.serve(normal(3200, 2, 3))

    assert load(state / FILE).columns == 3


def test_texts_that_become_long_stay_within_the_memory(
    warming: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The first rows say little of what later ones take; where they don't fit they are let go."""
    service = warming(warmup_bytes=1_048_576)
    warmup = service.drift._warmup
    assert warmup is not None
    kept = []
    for turn, size in enumerate([10] * 5 + [500] * 20 + [10_000] * 20):
        texts = np.array([f"{turn}.{row}".ljust(size, "x") for row in range(100)], object)
        table = Table(100, ("text",), columns=(texts,))
        times = np.full(100, START_S + turn)
        service.drift.on_batch(Batch(MODEL, "predict", times, table, None))
        kept += [found.kept * found.row_bytes for found in warmup._current().values()]

    assert len(kept) >= 25
    assert max(kept) <= 1_048_576
    assert {} == warmup._current()
    assert "TIDEGAUGE_WARMUP_BYTES: got 1048576 from the settings; expected enough" in caplog.text


def test_models_wait_where_memory_is_short(
    warming: Any, state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A thousand models: as many learn at once as there is room for, none gets more than that."""
    service = warming(warmup_bytes=1_048_576)
    warmup = service.drift._warmup
    assert warmup is not None
    for round_ in range(40):
        for model in range(1000 if round_ == 0 else 30):
            rows = normal(256, model, 4)
            times = np.full(256, START_S + round_)
            service.drift.on_batch(warming.batch(rows, times, model=ModelKey(f"m{model}")))
    current = warmup._current()
    kept = sum(reservoir.kept * reservoir.row_bytes for reservoir in current.values())

    assert len(current) == 13  # of 40 bytes a row, 2,000 rows at least
    assert kept <= 1_048_576
    assert all(reservoir.kept >= 1000 for reservoir in current.values())
    assert "TIDEGAUGE_WARMUP_BYTES: got 1048576 from the settings; expected enough" in caplog.text


def test_a_forked_child_learns_from_its_own_rows(warming: Any, state: Path) -> None:
    """The parent's are the parent's, and its part keeps its name."""
    service = warming("warmup:1000,10m").serve(normal(1600))
    before = service.drift._warmup
    service.drift.reset()

    assert service.drift._warmup is not before
    assert service.drift._warmup is not None
    assert service.drift._warmup._current() == {}
    service.serve(normal(1600, 1))
    assert len(list(state.glob("fraud.3.*.warmup"))) == 2


def test_a_file_that_is_no_part_is_left_out(
    warming: Any, state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Torn, of another version, or somebody else's: said once, the others count."""
    state.mkdir()
    for name, content in (("a", b"torn"), ("b", b'{"format": 9}\n'), ("c", b"")):
        (state / f"fraud.3.{name}.warmup").write_bytes(content)
    warming().serve(normal(3000))

    assert (state / FILE).exists()
    errors = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "no part of a warm-up" in errors[0].message


def test_a_part_whose_profile_is_torn_is_left_out(warming: Any, state: Path) -> None:
    """Its first line says 9,000 rows, but there are none in it."""
    first = warming().serve(normal(1600))
    first.stop()
    (part,) = state.glob("*.warmup")
    head = json.loads(part.read_bytes().partition(b"\n")[0])
    part.write_bytes(json.dumps({**head, "kept": 9000, "seen": 9000}).encode() + b"\ntorn")
    service = warming(now_s=first.now_s).serve(normal(1600, 1))
    assert not (state / FILE).exists()
    service.serve(normal(1600, 2))

    assert 2400 <= load(state / FILE).rows <= 3200


def test_the_configuration_is_checked_at_the_start(
    warming: Any, state: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a folder that lasts there is one ERROR, and no drift."""
    monkeypatch.setattr(shared, "settings", CoreSettings())
    service = warming().serve(normal(100))

    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert caplog.records[0].message == (
        "TIDEGAUGE_STATE_DIR: got '' from the environment; expected a folder that outlives the "
        "service, as TIDEGAUGE_REFERENCE=warmup keeps there what it learns. Set it, or name a "
        "reference file. Drift is off."
    )
    assert service.drift._warmup is None


def test_a_fleet_needs_one_reference() -> None:
    """Each replica would learn its own, and their bins could not be added."""
    with pytest.raises(SettingError) as caught:
        DriftSettings(reference="warmup", fleet=True)

    assert str(caught.value) == (
        "TIDEGAUGE_REFERENCE: got 'warmup' from the settings; expected one that all replicas have, "
        "as TIDEGAUGE_DRIFT_FLEET is true. Name a file, or, if all replicas have the same "
        "TIDEGAUGE_STATE_DIR, add ',shared' (warmup:5000,86400s,shared)."
    )
    assert DriftSettings(reference="warmup:5000,86400s,shared", fleet=True).warmup is not None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("warmup", WarmupSpec(5000, 86_400)),
        ("warmup:1000,90m", WarmupSpec(1000, 5400)),
        ("warmup:20000,7d,shared", WarmupSpec(20_000, 604_800, shared=True)),
        ("warmup.reference.json", None),
        ("./warmup", None),
        ("", None),
    ],
)
def test_a_setting_says_how_much_is_enough(text: str, expected: WarmupSpec | None) -> None:
    """Whatever is no warm-up names a file or a folder."""
    assert expected == WarmupSpec.parse(text)


@pytest.mark.parametrize(
    "text",
    ["warmup:", "warmup:5000", "warmup:999,24h", "warmup:5000,59s", "warmup:5000,31d",
     "warmup:5000,24h,share", "warmup:9999999,24h"],
)  # fmt: skip
def test_a_setting_out_of_bounds_is_refused(text: str) -> None:
    """At the start, by the settings."""
    with pytest.raises(SettingError, match="expected a file, a folder, or warmup:<rows>"):
        load_settings(DriftSettings, {"TIDEGAUGE_REFERENCE": text})


def test_parts_that_cannot_be_added_leave_the_largest(
    warming: Any, state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One process was given numbers, the other texts: said once, and the reference is of one."""
    one, two = warming("warmup:2000,2m"), warming("warmup:2000,2m")
    rng = np.random.default_rng(0)
    for _ in range(140):
        for service, some in ((one, 20), (two, 10)):
            numbers = rng.normal(size=some)
            texts = np.array([str(round(value, 1)) for value in numbers], object)
            column = numbers if service is one else texts
            table = Table(some, ("a", "b"), columns=(column, rng.normal(size=some)))
            service.drift.on_batch(warming.batch(table, service.now_s + np.arange(some) / 20))
            service.now_s += 1
            service.tick()

    assert load(state / FILE).rows > 2000
    assert "cannot be added: profiles: got the feature 'a' with other kinds" in caplog.text


def test_less_than_was_asked_for_is_said(
    warming: Any, state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Memory had no room for 30,000 rows of a hundred columns: the reference has what it had."""
    service = warming("warmup:30000,2m", warmup_bytes=1_048_576)
    for at in range(140):
        service.drift.on_batch(warming.batch(normal(256, at, 40), np.full(256, service.now_s)))
        service.now_s += 1
        if at % 20 == 19:
            service.tick()
    kept = load(state / FILE).rows

    assert 1000 <= kept < 3300
    assert f"had room for {kept} of the 30000 rows that TIDEGAUGE_REFERENCE asks" in caplog.text


def test_very_many_short_lives_leave_a_bounded_number_of_files(warming: Any, state: Path) -> None:
    """Those of ended processes are thinned, evenly over the time."""
    content = build(normal(1200))
    for life in range(80):
        head = Head(
            MODEL, "predict", f"{life:03d}", WarmupSpec(10**6, 10**6), 1200, 1200, 1200,
            ((START_S + 100 * life, START_S + 100 * life + 99),),
        )  # fmt: skip
        warmup_files.write_part(head, content)
    warming("warmup:1000000,30d", now_s=START_S + 8000).serve(normal(1200))
    left = sorted(int(path.name.split(".")[2], 10) for path in state.glob("*.0*.warmup"))

    assert left == list(range(1, 80, 2))


def test_a_folder_that_nobody_can_write_to_breaks_nothing(
    warming: Any, state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file is in its place: one ERROR for what is learnt, one for the status."""
    state.write_text("in the way")
    service = warming().serve(normal(3000))
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]

    assert len(errors) == 2
    assert all("TIDEGAUGE_STATE_DIR: got" in record.message for record in errors)
    state.unlink()
    service.serve(normal(600, 1))
    assert (state / FILE).exists()


def test_a_reference_that_cannot_be_written_stays_in_its_parts(
    warming: Any, state: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The disk is full when all is there: said once, and written when it can be."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "link", full)
        service = warming().serve(normal(3000))
    assert not (state / FILE).exists()
    assert [r.levelname for r in caplog.records if "The warm-up is complete" in r.message] == [
        "ERROR"
    ]
    assert len(list(state.glob("*.warmup"))) == 1
    service.serve(normal(600, 1))

    assert load(state / FILE).rows > 2400


def test_rows_that_are_not_compared_are_not_learnt_from(warming: Any, state: Path) -> None:
    """Of another operation than the one that was chosen, or a lower one; without features."""
    chosen = warming(operation="predict")
    chosen.serve(normal(40)).serve(normal(60), operation="predict_proba")
    service = warming().serve(normal(40), operation="predict_proba").serve(normal(60))
    nothing = Batch(MODEL, "predict_proba", np.ones(1), None, None)
    service.drift.on_batch(nothing)

    for each in (chosen, service):
        assert [reservoir.seen for reservoir in each.drift._warmup._current().values()] == [40]


def test_a_process_that_can_start_no_thread_leaves_what_it_has_learnt(
    warming: Any, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From Python 3.12 on none can be started once the interpreter ends, and it says so twice."""

    def refuse(_: object) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    service = warming("warmup:5000,10m").serve(normal(1580))
    assert [] == list(state.glob("*.warmup"))
    service.stop()
    assert 1 == len(list(state.glob("*.warmup")))
    assert {} == guard.counts()


def test_an_ending_process_does_not_wait_for_a_wide_part(warming: Any, state: Path) -> None:
    """1,500 rows of 400 columns would take the better part of a second."""
    service = warming("warmup:5000,30d")
    service.drift.on_batch(warming.batch(normal(900, 0, 400), np.full(900, START_S)))
    service.tick()
    service.drift.on_batch(warming.batch(normal(600, 0, 400), np.full(600, START_S)))
    service.stop()

    assert list(state.glob("*.warmup")) == []


def test_a_part_that_is_just_being_written_is_left_alone(warming: Any, state: Path) -> None:
    """It has a name of its own until it is whole; one that goes meanwhile is nobody's fault."""
    state.mkdir()
    (state / ".fraud.3.0123456789ab.warmup").write_bytes(b"half")
    (state / "fraud.3.0123456789ab.warmup").symlink_to(state / "gone")
    warming().serve(normal(3000))

    assert (state / FILE).exists()
    assert (state / ".fraud.3.0123456789ab.warmup").read_bytes() == b"half"
    assert guard.counts() == {}


def test_a_warm_up_without_a_folder_any_more_breaks_nothing(
    warming: Any, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is found, nothing is written, nothing is raised."""
    service = warming().serve(normal(400))
    monkeypatch.setattr(shared, "settings", CoreSettings(state_dir="none"))
    service.serve(normal(3000, 1))

    assert not (state / FILE).exists()
    assert warmup_files.heads() == []
    assert list(service.drift.points()) == []
