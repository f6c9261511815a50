"""A reference learnt from live rows: by one process, by several, through restarts."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tidegauge import state_folder
from tidegauge.batch import GaugePoint, ModelKey, Table
from tidegauge_drift import DriftProcessor, build, load, warmup_files
from tidegauge_drift.explanation import explain
from tidegauge_drift.status_files import read
from tidegauge_drift.store import dumps
from tidegauge_drift.window import WindowSpec

if TYPE_CHECKING:
    from tidegauge_drift.profile import NumericFeature

MakeLaunch = Callable[..., Any]

Matrix = NDArray[np.float64]
START_S = 1_700_000_000.0
MODEL = ModelKey("fraud", "3")
FILE = "fraud.3.reference.json"


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


def test_a_model_learns_its_reference_and_is_judged_by_it(warming: Any, state: Path) -> None:
    """Nothing is said until the rows and the time are there; then windows close as with a file."""
    service = warming().serve(normal(2200))  # 110 s: rows enough, but not the time
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


def test_rows_are_counted_as_a_file_of_them_is(warming: Any, state: Path) -> None:
    """Where all rows fit, the profile is that of these rows; outputs are in it."""
    rows = normal(2600, 3)
    warming(windows=(WindowSpec.parse("30d"),)).serve(rows, outputs=2.0)
    profile = load(state / FILE)
    feature: NumericFeature = profile.features[0]  # type: ignore[assignment]
    output: NumericFeature = profile.outputs[0]  # type: ignore[assignment]
    seen = rows[: feature.rows, 0]

    assert 2400 <= feature.rows <= 2600
    assert np.isclose(feature.mean, seen.mean(), rtol=0, atol=1e-12)
    assert (feature.minimum, feature.maximum) == (seen.min(), seen.max())
    assert (output.name, output.minimum) == ("output", 2 * seen.min())
    assert profile.order == "time"


def test_a_version_that_has_its_reference_begins_with_it(warming: Any, state: Path) -> None:
    """And learns nothing more, whatever comes; another version learns its own."""
    warming().serve(normal(3000))
    before = (state / FILE).read_bytes()
    again = warming(now_s=START_S + 90_000).serve(normal(3000, 1) + 5)
    assert len(again.drift._leader.shown) == 1
    again.serve(normal(3000, 2) + 5, model=ModelKey("fraud", "4"))

    assert (state / FILE).read_bytes() == before
    assert load(state / "fraud.4.reference.json").features[0].minimum > 0  # type: ignore[union-attr]


def test_a_service_that_is_redeployed_often_still_learns(warming: Any, state: Path) -> None:
    """Each life leaves its part; a gap between them is no time of service."""
    now = START_S
    lives = 0
    while not (state / FILE).exists():
        lives += 1
        service = warming("warmup:5000,10m", now_s=now).serve(normal(3600, lives))  # 3 minutes
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


def test_two_launches_in_one_folder_have_one_reference(warming: Any, state: Path) -> None:
    """They learn together, one of them writes the file, both adopt it."""
    one, two = warming(), warming()
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
def test_categories_and_columns_of_all_kinds_are_learnt(
    warming: Any, state: Path, hashed: bool
) -> None:
    """Row ids are left out, a constant is a constant; texts are hashed where that is asked for."""
    rng = np.random.default_rng(0)
    service = warming(hash_categories=hashed)
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
        service.drift.on_batch(warming.batch(Table(20, names, columns=columns), times))
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


def test_what_explain_says_of_a_warm_up(warming: Any, state: Path) -> None:
    """How many rows and hours there are, and when it will be done, in 80 columns."""
    service = warming("warmup:5000,1h").serve(normal(4000))
    found = read(state / "fraud.3.status.json")
    said = list(explain(found, service.now_s))

    assert said[0] == "fraud 3: warming up, 3620 of 5000 rows, 0.05 of 1 hours"
    assert any(line.startswith("  kept       3620 rows in blocks, of 1 process") for line in said)
    done = found.status["warmup"]["done_s"]
    assert abs(done - (START_S + 3600)) < 60
    assert said[-2].startswith("  season     none is learnt")
    assert max(map(len, said)) <= 80


@pytest.mark.parametrize("role", ["live", "canary", "shadow"])
def test_what_a_warm_up_does_not_learn_is_said(warming: Any, state: Path, role: str) -> None:
    """No season; and a canary's cells are its own: in the status, before and after."""
    model = ModelKey("fraud", "3", role)
    service = warming("warmup:2000,2m").serve(normal(1500), model=model)
    told = []
    for _ in range(2):
        found = read(state / "fraud.3.status.json")
        assert found.status["role"] == role
        said = list(explain(found, service.now_s))
        told.append("\n".join(said))
        assert max(map(len, said)) <= 80
        service.serve(normal(6000), model=model)

    assert "  season     none is learnt: hours that differ" in told[0]
    assert "warmup of" in told[1]
    assert "             none is learnt: hours that differ" in told[1]
    for lines in told:
        alone = f"this {role} is not compared with the live version" in lines
        assert alone == (role != "live")


def test_the_highest_operation_is_learnt(warming: Any, state: Path) -> None:
    """Rows of predict are given up when the app calls predict_proba, as windows are."""
    service = warming().serve(normal(1200))
    service.serve(normal(2800, 1) + 9, operation="predict_proba")
    service.serve(normal(200, 2), operation="predict")

    assert load(state / FILE).features[0].minimum > 4  # type: ignore[union-attr]


def test_a_process_that_ends_leaves_its_last_rows(warming: Any, state: Path) -> None:
    """What came after its last part; what has not changed is not written again."""
    service = warming("warmup:5000,10m").serve(normal(1580))
    (part,) = state.glob("*.warmup")
    before = json.loads(part.read_bytes().partition(b"\n")[0])["seen"]
    service.stop()
    written = part.stat().st_mtime_ns
    service.drift.on_end(service.now_s, 1.0)
    service.drift.tell(service.now_s)

    assert before < 1580
    assert json.loads(part.read_bytes().partition(b"\n")[0])["seen"] == 1580
    assert part.stat().st_mtime_ns == written
