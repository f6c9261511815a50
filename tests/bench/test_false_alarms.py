"""The simulation of false alarms: what it draws and lets pass is what the product counts."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TypeAlias

import numpy as np
import pytest
from scipy import stats
from tidegauge.batch import Table
from tidegauge_drift.window_judge import judge

Counts: TypeAlias = np.ndarray
ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "bench" / "false_alarms"
STREAM = "rho0 1/s"
CASE = ["--quick", "--only", STREAM]


@pytest.fixture(scope="module")
def paging() -> Iterator[ModuleType]:
    """Import the simulation as the script does."""
    sys.path[:0] = [str(FOLDER), str(FOLDER.parent)]
    import paging

    yield paging
    for folder in (FOLDER, FOLDER.parent):
        sys.path.remove(str(folder))


def test_the_script_runs(tmp_path: Path) -> None:
    """In its quick form: one model of the stream, with all windows that are cut of it."""
    run = [sys.executable, FOLDER, "live", *CASE, "--results", tmp_path]
    done = subprocess.run(run, capture_output=True, text=True, check=True, timeout=120)
    lines = (tmp_path / "live.jsonl").read_text("utf-8").splitlines()

    assert done.stderr == ""
    (found,) = map(json.loads, lines)
    assert (found["case"], found["model"]) == (STREAM, 0)
    assert [line["case"] for line in found["lines"]] == [
        f"{STREAM} n{rows} m{reference}"
        for reference in (10_000, 1000)
        for rows in (300, 1000, 5000)
    ]
    assert all(line["windows"] > 0 for line in found["lines"])


def test_a_shift_is_seen_within_three_windows(paging: ModuleType) -> None:
    """One sd at 1 row/s: the alarm comes with the second or third window that holds moved rows."""
    found = paging.delay(paging.Case(0.0, 1, 300, 1000), (1.0,), 1)["rows"]["1.0"]

    assert 300 < found <= 900


def test_three_rules_judge_the_same_window(paging: ModuleType, tmp_path: Path) -> None:
    """Evidently is another run; the classic rule alarms at n = 100."""
    import argparse

    import rules

    rules.run(argparse.Namespace(results=tmp_path, only="n100 m10000", quick=True, evidently=""))
    lines = [json.loads(line) for line in (tmp_path / "rules.jsonl").read_text().splitlines()]

    assert [line["case"].split()[0] for line in lines] == ["20", "zipf30", "zipf100"]
    assert {line["rule"] for line in lines} == {"report"}
    assert lines[0]["classic"] is True


def test_a_run_goes_on_where_it_was(paging: ModuleType, tmp_path: Path) -> None:
    """What is there is not computed again, a torn line is."""
    from results import complete, read

    path = tmp_path / "a" / "b.jsonl"
    computed = []

    def wanted(models: int) -> Iterator[tuple[dict[str, int], Callable[[], dict[str, int]]]]:
        for model in range(models):
            yield {"model": model}, lambda model=model: computed.append(model) or {"model": model}

    complete(path, wanted(2), "")
    path.write_text(path.read_text("utf-8")[:-4], "utf-8")
    complete(path, wanted(3), "")

    assert computed == [0, 1, 1, 2]
    assert [line["model"] for line in read(path)] == [0, 1, 2]


@pytest.fixture(scope="module")
def model(paging: ModuleType) -> object:
    """Return a small model of dependent rows."""
    return paging.Model(0.9, 1000, 1)


def windows(model: object, rng: np.random.Generator, rho: float, rows: int, number: int) -> Counts:
    """Draw windows of clean rows, counted on a model's reference."""
    from counting import Dependent

    on = model.counting
    if rho:
        return Dependent(rng, rho, on.columns).next([on], rows, number)[0].astype(np.int64)
    return on.independent(rng, rows, number).astype(np.int64)


def test_counts_are_those_of_the_rows(paging: ModuleType, model: object) -> None:
    """A look-up a row gives what the product's counter gives, cell by cell."""
    from dataclasses import replace

    from counting import Counting, Dependent
    from population import Series, inputs, outputs

    full = [replace(column, missing=0.0) for column in inputs()]
    layout = model.layout
    rng = np.random.default_rng(2)
    each = [Series(rng, 0.9) for _ in range(21)]
    places = [series.next(500) for series in each]
    numbers = np.stack([c.numbers[p] for c, p in zip(full, places, strict=False)], axis=1)
    score = outputs()[0].numbers[places[20]][:, None]
    counted = [
        layout.inputs.count(Table(500, None, matrix=numbers), tuple(range(20))),
        layout.outputs.count(Table(500, None, matrix=score), (0,)),
    ]
    on = Counting(layout, full, outputs())
    (drawn,) = Dependent(np.random.default_rng(2), 0.9, on.columns).next([on], 100, 5)

    assert np.concatenate(counted).tolist() == drawn.sum(axis=0).tolist()


def test_dependent_and_independent_rows_have_the_same_shares(model: object) -> None:
    """Rows drawn one by one fall as often into each cell as counts drawn at once say."""
    rng = np.random.default_rng(3)
    at_once = windows(model, rng, 0.0, 1000, 200).sum(axis=0)
    one_by_one = windows(model, rng, 0.01, 1000, 200).sum(axis=0)
    seen = at_once + one_by_one > 20
    z = (at_once - one_by_one)[seen] / np.sqrt((at_once + one_by_one)[seen])

    assert np.abs(z).max() < 5
    assert 0.8 < z.std() < 1.2


@pytest.mark.parametrize("reference", [1000, 10_000])
def test_the_sieve_holds_back_only_what_is_not_flagged(paging: ModuleType, reference: int) -> None:
    """At a lax level, where the product flags every fifth window, each of these passes."""
    from sieve import Sieve

    case = paging.Case(0.0, 1, 300, reference)
    made = paging.shape(case)
    drawn, rng = paging.Model(0.0, reference, 4), np.random.default_rng(4)
    counts = windows(drawn, rng, 0.0, made.rows, 60)
    counts[::5] = windows(drawn, rng, 0.9, made.rows, 12)  # alarms for sure
    verdicts = [judge(made.window(row), drawn.layout, 1, None) for row in counts]
    sieve = Sieve(drawn.layout, verdicts[0].levels)
    passed = sieve.passes(counts)
    flagged = [
        any(f.flagged for f in v.features) or any(q.flagged for q in v.quality) for v in verdicts
    ]

    assert sum(flagged) >= 6
    assert not any(flag and not through for flag, through in zip(flagged, passed, strict=True))
    for i, slot in enumerate(drawn.layout.slots):
        exact = [v.features[i].finding.p_value for v in verdicts]
        part = counts[:, slot.start : slot.stop]
        known = drawn.layout.counts[slot.start : slot.stop].astype(np.int64)
        found = sieve.values(slot, known, part)
        assert np.allclose(np.minimum(found, 1), exact, rtol=1e-9, atol=0)


def test_clean_rows_keep_the_size_of_the_tests(paging: ModuleType) -> None:
    """8 references, 20 windows each: p <= .05 in at most .05 of the tests of 17 numbers."""
    from sieve import Sieve

    below = []
    for seed in range(8):
        drawn, rng = paging.Model(0.0, 1000, 100 + seed), np.random.default_rng(seed)
        counts = windows(drawn, rng, 0.0, 300, 20)
        sieve = Sieve(drawn.layout, {})
        for slot in drawn.layout.slots[:17]:
            known = drawn.layout.counts[slot.start : slot.stop].astype(np.int64)
            found = sieve.values(slot, known, counts[:, slot.start : slot.stop])
            below.append(np.mean(found <= 0.05))

    assert 0.01 < np.mean(below) <= 0.06


def test_the_bound_is_poissons(paging: ModuleType) -> None:
    """No onset in 3 months is at most 1 a month; 5 in one month at most 10.5."""
    from live import upper

    assert upper(0, 3.0) == pytest.approx(-math.log(0.05) / 3)
    assert stats.poisson.cdf(5, upper(5, 1.0)) == pytest.approx(0.05)


def test_the_page_says_what_was_measured(
    paging: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables come between their marks, the text around them stays."""
    import argparse

    import page

    case = paging.Case(0.9, 1000, 1000, 1000)
    flags = {"values": [2, 0], "quality": [0, 1]}
    seen = {"case": case.name, "windows": 100, "onsets": {"inputs": 1, "outputs": 0},
            "flags": flags, "undecided": 0.25}  # fmt: skip
    stream = {"case": "rho0.9 1000/s", "rule": "long", "lines": [seen]}
    lines = [json.dumps({**stream, "model": model}) for model in range(5)]
    (tmp_path / "live.jsonl").write_text("\n".join(lines), "utf-8")
    written = tmp_path / "page.md"
    monkeypatch.setattr(page, "PAGES", (written,))
    marks = "".join(f"{name}<!-- made: {name} -->\nold\n<!-- end -->\n" for name in page.TABLES)
    written.write_text(marks, "utf-8")
    page.render(argparse.Namespace(results=tmp_path))
    text = written.read_text("utf-8")

    months, expected = 500 / 259_200, f"{259_200 * 2 / 9900:.1f}"
    most = f"{stats.chi2.ppf(0.95, 12) / 2 / months:.1f}"  # of 5 that are Poisson's
    assert text.count("old") == len(page.TABLES) - 1
    assert (
        f"| 1,000 | AR(1) .9 | 1,000 | any | 10,000 | 5 | 0.00 | 5 | {most} | "
        f"{expected} (at most {expected}) | none | 25% |"
    ) in text
    assert "All lines together: 5 onsets in 0.0 months, 500 windows" in text
    assert "0 with hardly a flag to count, 1 not proved." in text


def test_hours_alarm_against_all_hours_only(paging: ModuleType) -> None:
    """Bike Sharing: each hour of a day against all of them, and against the same hour."""
    import days

    rows = days.bikes(ROOT / "packages" / "drift" / "tests" / "data")
    pooled = days.day(rows, "Bike Sharing", "pooled, no times")
    alike = days.day(rows, "Bike Sharing", "by hour, dependence left out")

    assert pooled["alarms"] == 24
    assert alike["alarms"] <= 2
    assert not any(alike["undecided"].values())
