"""A reference learnt from live rows: by one process, by several, through restarts and faults."""

from __future__ import annotations

import errno
import json
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pytest
from numpy.typing import NDArray
from tidegauge import guard, state_folder
from tidegauge.batch import Batch, GaugePoint, ModelKey, Table
from tidegauge.configuration import CoreSettings
from tidegauge.runtime import shared
from tidegauge.settings import SettingError
from tidegauge.settings import load as load_settings
from tidegauge_drift import DriftProcessor, DriftSettings, build, load, warmup_files
from tidegauge_drift.explanation import explain
from tidegauge_drift.status_files import read
from tidegauge_drift.store import dumps
from tidegauge_drift.warmup_part import Head
from tidegauge_drift.warmup_spec import WarmupSpec
from tidegauge_drift.window import WindowSpec

if TYPE_CHECKING:
    from tidegauge_drift.profile import NumericFeature

Matrix = NDArray[np.float64]
MakeLaunch = Callable[..., Any]
START_S = 1_700_000_000.0
MODEL = ModelKey("fraud", "3")
FILE = "fraud.3.reference.json"
REFERENCE = "warmup:1000,2m"


class Service:
    """One process alone; its clock stands still but for the rows that come."""

    def __init__(self, reference: str = REFERENCE, now_s: float = START_S, **changes: Any) -> None:
        options = {"windows": (WindowSpec.parse("300rows"),), "reference": reference, **changes}
        self.drift = DriftProcessor(settings=DriftSettings(**options))
        self.now_s = now_s

    def serve(self, rows: Any, *, rate: float = 20.0, **more: Any) -> Service:
        """Send rows at a rate, 20 at a time, and do what is due after each."""
        for start in range(0, len(rows), 20):
            part = rows[start : start + 20]
            times = self.now_s + np.arange(len(part)) / rate
            self.drift.on_batch(batch(part, times, **more))
            self.now_s += len(part) / rate
            self.tick()
        return self

    def tick(self) -> None:
        """Do what is due, the thread's work too."""
        self.drift.on_tick(self.now_s)
        self.drift.tell(self.now_s)
        if self.drift._warmup is not None:
            self.drift._warmup.wait(60.0)

    def stop(self) -> None:
        """End as a service that is redeployed."""
        self.drift.on_leave(self.now_s)
        self.drift.tell(self.now_s)


def batch(rows: Any, times: Matrix, **more: Any) -> Batch:
    """Return a batch of rows without names, or of given columns."""
    outputs = more.get("outputs")
    table = rows if isinstance(rows, Table) else Table(len(rows), None, matrix=np.asarray(rows))
    if outputs is not None:
        outputs = Table(len(times), None, matrix=np.asarray(rows)[:, :1] * outputs)
    return Batch(
        more.get("model", MODEL), more.get("operation", "predict"), times, table, outputs,
        more.get("stride", 1),
    )  # fmt: skip


def normal(rows: int, seed: int = 0, columns: int = 3) -> Matrix:
    """Return independent rows."""
    return np.random.default_rng(seed).normal(size=(rows, columns))


def info(drift: DriftProcessor) -> list[str]:
    """Return the sources of the references in use."""
    points = [p for p in drift.points() if isinstance(p, GaugePoint)]
    return [
        dict(zip(p.spec.attributes, p.attributes, strict=True))["origin"]
        for p in points
        if "origin" in p.spec.attributes
    ]


def test_a_model_learns_its_reference_and_is_judged_by_it(state: Path) -> None:
    """Nothing is said until the rows and the time are there; then windows close as with a file."""
    service = Service().serve(normal(2200))  # 110 s: rows enough, but not the time
    assert not (state / FILE).exists()
    assert list(service.drift.points()) == []

    service.serve(normal(1800, 1))
    profile = load(state / FILE)
    assert profile.source.startswith("warmup of 0.03")
    assert info(service.drift) == [profile.source]
    assert profile.rows >= 2400
    assert profile.columns == 3
    assert not profile.named
    assert [feature.name for feature in profile.features] == ["x0", "x1", "x2"]
    assert (state / FILE).stat().st_mode & 0o777 == 0o600
    assert list(state.glob("*.warmup")) == []
    service.serve(normal(600, 2) + np.array([0, 1, 0]))
    verdict = service.drift._leader.shown[0].snapshot.verdict(WindowSpec.parse("300rows"))
    assert verdict is not None
    assert [f.run.flagged for f in verdict.features] == [False, True, False]


def test_rows_are_counted_as_a_file_of_them_is(state: Path) -> None:
    """Where all rows fit, the profile is that of these rows; outputs are in it."""
    rows = normal(2600, 3)
    Service(windows=(WindowSpec.parse("30d"),)).serve(rows, outputs=2.0)
    profile = load(state / FILE)
    feature: NumericFeature = profile.features[0]  # type: ignore[assignment]
    output: NumericFeature = profile.outputs[0]  # type: ignore[assignment]
    seen = rows[: feature.rows, 0]

    assert 2400 <= feature.rows <= 2600
    assert np.isclose(feature.mean, seen.mean(), rtol=0, atol=1e-12)
    assert (feature.minimum, feature.maximum) == (seen.min(), seen.max())
    assert (output.name, output.minimum) == ("output", 2 * seen.min())
    assert profile.order == "time"


def test_a_version_that_has_its_reference_begins_with_it(state: Path) -> None:
    """And learns nothing more, whatever comes; another version learns its own."""
    Service().serve(normal(3000))
    before = (state / FILE).read_bytes()
    again = Service(now_s=START_S + 90_000).serve(normal(3000, 1) + 5)
    assert len(again.drift._leader.shown) == 1
    again.serve(normal(3000, 2) + 5, model=ModelKey("fraud", "4"))

    assert (state / FILE).read_bytes() == before
    assert load(state / "fraud.4.reference.json").features[0].minimum > 0  # type: ignore[union-attr]


def test_a_service_that_is_redeployed_often_still_learns(state: Path) -> None:
    """Each life leaves its part; a gap between them is no time of service."""
    now = START_S
    lives = 0
    while not (state / FILE).exists():
        lives += 1
        service = Service("warmup:5000,10m", now_s=now).serve(normal(3600, lives))  # 3 minutes
        service.stop()
        now = service.now_s + 7200
    profile = load(state / FILE)

    assert lives == 4
    assert profile.merged == 4
    assert 10_000 < profile.rows <= 14_400
    assert profile.source.startswith("warmup of 0.1")


def test_processes_of_a_launch_learn_one_reference(launch: MakeLaunch, state: Path) -> None:
    """The leader adds up what four have learnt of their own rows; all adopt the same."""
    many = launch(reference="warmup:4000,3m")
    processes = [many.process() for _ in range(4)]
    rows = normal(8000)
    now = START_S
    for start in range(0, 8000, 500):
        now = many.replay(processes, rows[start : start + 500], start_s=now, seed=start)
        for process in processes:
            process.drift._warmup.wait(60.0)
    profile = load(state / FILE)
    many.replay(processes, normal(400, 1), start_s=now)

    assert profile.merged == 4
    assert profile.rows > 3400
    assert {len(list(p.drift._worker.counters())) for p in processes} == {1}
    assert len({c.layout.digest for p in processes for c in p.drift._worker.counters()}) == 1


def test_a_leader_that_dies_takes_only_its_last_rows_along(launch: MakeLaunch, state: Path) -> None:
    """Its part stays; another process concludes."""
    many = launch(reference="warmup:3000,4m")
    processes = [many.process() for _ in range(2)]
    now = START_S
    rows = normal(12_000)
    for start in range(0, 12_000, 500):
        now = many.replay(processes, rows[start : start + 500], start_s=now, seed=start)
        for process in processes:
            process.drift._warmup.wait(60.0)
        if start == 3500:
            (leader,) = [process for process in processes if process.group.leads]
            leader.die()
            processes.remove(leader)
    assert load(state / FILE).merged == 2


def test_two_launches_in_one_folder_have_one_reference(state: Path) -> None:
    """They learn together, one of them writes the file, both adopt it."""
    one, two = Service(), Service()
    for start in range(0, 3600, 100):
        one.serve(normal(100, start))
        two.serve(normal(100, start + 1))
    profile = load(state / FILE)

    assert profile.merged == 2
    assert profile.rows > 4000
    assert info(one.drift) == info(two.drift) == [profile.source]


def test_who_comes_second_leaves_the_file_as_it_is(state: Path) -> None:
    """Two leaders have looked at the same moment, and both have enough rows."""
    first, second = (build(normal(200, seed), source=f"{seed}") for seed in range(2))

    assert warmup_files.claim(MODEL, first)
    assert warmup_files.claim(MODEL, second)
    assert load(state / FILE).source == "0"


def test_one_of_many_claims_wins(state: Path) -> None:
    """Sixteen threads create the file at once: it is one of theirs, whole, and all others know."""
    contents = [dumps(build(normal(200, seed))) for seed in range(16)]
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda content: state_folder.create("x", content), contents))

    assert made.count(True) == 1
    assert (state / "x").read_bytes() == contents[made.index(True)]
    assert [path.name for path in state.iterdir()] == ["x"]


@pytest.mark.parametrize("hashed", [False, True])
def test_categories_and_columns_of_all_kinds_are_learnt(state: Path, hashed: bool) -> None:
    """Row ids are left out, a constant is a constant; texts are hashed where that is asked for."""
    rng = np.random.default_rng(0)
    service = Service(hash_categories=hashed)
    names = ("amount", "country", "id", "constant", "empty")
    for start in range(0, 3000, 20):
        columns = (
            rng.normal(size=20),
            np.array([("SE", "NO", None)[i] for i in rng.integers(0, 3, 20)], object),
            np.array([f"row {start + i}" for i in range(20)], object),
            np.ones(20),
            np.full(20, np.nan),
        )
        times = service.now_s + np.arange(20) / 20
        service.drift.on_batch(batch(Table(20, names, columns=columns), times))
        service.now_s += 1
        service.tick()
    profile = load(state / FILE)

    assert profile.named
    assert [feature.name for feature in profile.features] == ["amount", "country", "constant"]
    assert {column.name: column.note.split(":")[0] for column in profile.left_out} == {
        "id": "names rows", "empty": "holds no finite value",
    }  # fmt: skip
    assert (b"SE" in (state / FILE).read_bytes()) is not hashed
    assert b"row 1" not in (state / FILE).read_bytes()


def test_what_explain_says_of_a_warm_up(state: Path) -> None:
    """How many rows and hours there are, and when it will be done, in 80 columns."""
    service = Service("warmup:5000,1h").serve(normal(4000))
    found = read(state / "fraud.3.status.json")
    said = list(explain(found, service.now_s))

    assert said[0] == "fraud 3: warming up, 3620 of 5000 rows, 0.05 of 1 hours"
    assert any(line.startswith("  kept       3620 rows in blocks, of 1 process") for line in said)
    done = found.status["warmup"]["done_s"]
    assert abs(done - (START_S + 3600)) < 60
    assert max(map(len, said)) <= 80


def test_a_full_disk_is_said_once_and_tried_again(
    state: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
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
    service = Service().serve(normal(3200))
    monkeypatch.setattr(os, "fdopen", original)
    errors = [r.message for r in caplog.records if "warm-up is in memory" in r.message]
    assert len(errors) == 1
    assert "No space left" in errors[0]
    assert list(state.iterdir()) == []
    service.serve(normal(600, 1))

    assert load(state / FILE).rows > 3000


def test_a_fault_of_ours_is_said_once_and_tried_again(
    state: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception while a profile is built, whatever it is: one ERROR, counted, no row's value."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("secret")

    with monkeypatch.context() as patched:
        patched.setattr("tidegauge_drift.warmup.learn", broken)
        service = Service().serve(normal(3000))
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert ["(ZeroDivisionError)" in record.message for record in errors] == [True]
    assert "secret" not in errors[0].message
    assert guard.counts()["drift.warmup.learn"] > 1
    service.serve(normal(600, 1))

    assert (state / FILE).exists()


def test_rows_of_which_nothing_can_be_learnt_are_said_once(
    state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Without any value there is no reference; with the first values it is tried again."""
    service = Service().serve(np.full((3000, 2), np.nan))
    errors = [r.message for r in caplog.records if r.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "fraud 3: no reference can be learnt: data: got no column that can take" in errors[0]
    service.serve(normal(600, 0, 2))

    assert (state / FILE).exists()


def test_a_clock_that_is_set_back_loses_no_row(state: Path) -> None:
    """The rows stay in the order in which they came; only time that rows came in counts."""
    service = Service().serve(normal(1400))
    service.now_s -= 86_400
    service.serve(normal(2000, 1))
    profile = load(state / FILE)

    assert profile.rows > 2400
    assert profile.source.startswith("warmup of 0.03")


def test_a_clock_that_jumps_ahead_is_no_day_of_service(state: Path) -> None:
    """A gap of more than an hour does not count."""
    service = Service("warmup:1000,1h").serve(normal(2000))
    service.now_s += 86_400
    service.serve(normal(2000, 1))

    assert not (state / FILE).exists()


def test_the_highest_operation_is_learnt(state: Path) -> None:
    """Rows of predict are given up when the app calls predict_proba, as windows are."""
    service = Service().serve(normal(1200))
    service.serve(normal(2800, 1) + 9, operation="predict_proba")
    service.serve(normal(200, 2), operation="predict")

    assert load(state / FILE).features[0].minimum > 4  # type: ignore[union-attr]


def test_rows_of_another_shape_are_left_out(state: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A few are said and left out; where they are the most, they are what the model gets."""
    service = Service().serve(normal(400, 0, 2)).serve(normal(300, 1, 3))
    assert "rows of other columns than those before are not learnt from" in caplog.text
    service.serve(normal(3200, 2, 3))

    assert load(state / FILE).columns == 3


def test_models_wait_where_memory_is_short(state: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A thousand models: as many learn at once as there is room for, none gets more than that."""
    service = Service(warmup_bytes=1_048_576)
    warmup = service.drift._warmup
    assert warmup is not None
    for round_ in range(40):
        for model in range(1000 if round_ == 0 else 30):
            rows = normal(256, model, 4)
            times = np.full(256, START_S + round_)
            service.drift.on_batch(batch(rows, times, model=ModelKey(f"m{model}")))
    current = warmup._current()
    kept = sum(reservoir.kept * reservoir.row_bytes for reservoir in current.values())

    assert len(current) == 13  # of 40 bytes a row, 2,000 rows at least
    assert kept <= 1_048_576
    assert all(reservoir.kept >= 1000 for reservoir in current.values())
    assert "TIDEGAUGE_WARMUP_BYTES: got 1048576 from the settings; expected enough" in caplog.text


def test_a_forked_child_learns_from_its_own_rows(state: Path) -> None:
    """The parent's are the parent's, and its part keeps its name."""
    service = Service("warmup:1000,10m").serve(normal(1600))
    before = service.drift._warmup
    service.drift.reset()

    assert service.drift._warmup is not before
    assert service.drift._warmup is not None
    assert service.drift._warmup._current() == {}
    service.serve(normal(1600, 1))
    assert len(list(state.glob("fraud.3.*.warmup"))) == 2


def test_a_file_that_is_no_part_is_left_out(state: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Torn, of another version, or somebody else's: said once, the others count."""
    state.mkdir()
    for name, content in (("a", b"torn"), ("b", b'{"format": 9}\n'), ("c", b"")):
        (state / f"fraud.3.{name}.warmup").write_bytes(content)
    Service().serve(normal(3000))

    assert (state / FILE).exists()
    errors = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "no part of a warm-up" in errors[0].message


def test_a_part_whose_profile_is_torn_is_left_out(state: Path) -> None:
    """Its first line says 9,000 rows, but there are none in it."""
    first = Service().serve(normal(1600))
    first.stop()
    (part,) = state.glob("*.warmup")
    head = json.loads(part.read_bytes().partition(b"\n")[0])
    part.write_bytes(json.dumps({**head, "kept": 9000, "seen": 9000}).encode() + b"\ntorn")
    service = Service(now_s=first.now_s).serve(normal(1600, 1))
    assert not (state / FILE).exists()
    service.serve(normal(1600, 2))

    assert 2400 <= load(state / FILE).rows <= 3200


def test_the_configuration_is_checked_at_the_start(
    state: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a folder that lasts there is one ERROR, and no drift."""
    monkeypatch.setattr(shared, "settings", CoreSettings())
    service = Service().serve(normal(100))

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
    state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One process was given numbers, the other texts: said once, and the reference is of one."""
    one, two = Service("warmup:2000,2m"), Service("warmup:2000,2m")
    rng = np.random.default_rng(0)
    for _ in range(140):
        for service, some in ((one, 20), (two, 10)):
            numbers = rng.normal(size=some)
            texts = np.array([str(round(value, 1)) for value in numbers], object)
            column = numbers if service is one else texts
            table = Table(some, ("a", "b"), columns=(column, rng.normal(size=some)))
            service.drift.on_batch(batch(table, service.now_s + np.arange(some) / 20))
            service.now_s += 1
            service.tick()

    assert load(state / FILE).rows > 2000
    assert "cannot be added: profiles: got the feature 'a' with other kinds" in caplog.text


def test_less_than_was_asked_for_is_said(state: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Memory had no room for 30,000 rows of a hundred columns: the reference has what it had."""
    service = Service("warmup:30000,2m", warmup_bytes=1_048_576)
    for at in range(140):
        service.drift.on_batch(batch(normal(256, at, 40), np.full(256, service.now_s)))
        service.now_s += 1
        if at % 20 == 19:
            service.tick()
    kept = load(state / FILE).rows

    assert 1000 <= kept < 3300
    assert f"had room for {kept} of the 30000 rows that TIDEGAUGE_REFERENCE asks" in caplog.text


def test_very_many_short_lives_leave_a_bounded_number_of_files(state: Path) -> None:
    """Those of ended processes are thinned, evenly over the time."""
    content = build(normal(1200))
    for life in range(80):
        head = Head(
            MODEL, "predict", f"{life:03d}", WarmupSpec(10**6, 10**6), 1200, 1200, 1200,
            ((START_S + 100 * life, START_S + 100 * life + 99),),
        )  # fmt: skip
        warmup_files.write_part(head, content)
    Service("warmup:1000000,30d", now_s=START_S + 8000).serve(normal(1200))
    left = sorted(int(path.name.split(".")[2], 10) for path in state.glob("*.0*.warmup"))

    assert left == list(range(1, 80, 2))


def test_a_folder_that_nobody_can_write_to_breaks_nothing(
    state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file is in its place: one ERROR for what is learnt, one for the status."""
    state.write_text("in the way")
    service = Service().serve(normal(3000))
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]

    assert len(errors) == 2
    assert all("TIDEGAUGE_STATE_DIR: got" in record.message for record in errors)
    state.unlink()
    service.serve(normal(600, 1))
    assert (state / FILE).exists()


def test_a_reference_that_cannot_be_written_stays_in_its_parts(
    state: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The disk is full when all is there: said once, and written when it can be."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "link", full)
        service = Service().serve(normal(3000))
    assert not (state / FILE).exists()
    assert [r.levelname for r in caplog.records if "The warm-up is complete" in r.message] == [
        "ERROR"
    ]
    assert len(list(state.glob("*.warmup"))) == 1
    service.serve(normal(600, 1))

    assert load(state / FILE).rows > 2400


def test_a_process_that_ends_leaves_its_last_rows(state: Path) -> None:
    """What came after its last part; what has not changed is not written again."""
    service = Service("warmup:5000,10m").serve(normal(1580))
    (part,) = state.glob("*.warmup")
    before = json.loads(part.read_bytes().partition(b"\n")[0])["seen"]
    service.stop()
    written = part.stat().st_mtime_ns
    service.drift.on_end(service.now_s, 1.0)
    service.drift.tell(service.now_s)

    assert before < 1580
    assert json.loads(part.read_bytes().partition(b"\n")[0])["seen"] == 1580
    assert part.stat().st_mtime_ns == written
