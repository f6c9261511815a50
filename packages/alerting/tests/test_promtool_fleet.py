"""The index over all replicas, in Prometheus's own rule engine: equal to numpy, and quiet."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tidegauge_alerting import render_prometheus, rule_groups
from tidegauge_alerting.alert_file import load, own_sources
from tidegauge_alerting.measures import StabilityIndex
from tidegauge_exporter_prometheus import prometheus_name
from tidegauge_semconv import metrics
from tidegauge_testkit.backends import Promtool
from tidegauge_testkit.backends.stories import Firing, Labels, Series, Story, play

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

DEFAULT_ALERTS = load(sources=own_sources()).alerts
FLEET_ALERTS = load(sources=own_sources()).off
pytestmark = pytest.mark.backends

(FLEET,) = FLEET_ALERTS
assert isinstance(FLEET.measure, StabilityIndex)
# Four hours stand for a day: what a day is made of is the same, and promtool is done sooner.
LONG = 4 * 60
GROUPS = rule_groups([dataclasses.replace(FLEET, measure=FLEET.measure.over((3600, 14_400)))])
BIN = prometheus_name(metrics.MODEL_FEATURE_BIN)
RATIO = prometheus_name(metrics.DRIFT_REFERENCE_BIN_RATIO)
EFFECT = prometheus_name(metrics.DRIFT_DESIGN_EFFECT)

AGE = {"model_name": "fraud", "model_version": "3", "reference": "0a1b2c3d", "feature": "age"}
NEW = {**AGE, "reference": "99887766"}
TENTHS = np.full(10, 0.1)
# Rows a minute of each bin, so that shares are exact.
CLEAN = [12, 12, 12, 12, 12, 12, 12, 12, 12, 12]
SHIFTED = [2, 4, 6, 8, 10, 12, 14, 16, 22, 26]


def pod(number: int) -> Labels:
    """Return the labels of a replica."""
    return {"job": "serve", "instance": f"10.0.0.{number}:9464"}


def rows(feature: Labels, each: Sequence[int | None], place: Labels, *values: str) -> list[Series]:
    """Return a replica's counters; ``{}`` in the values is a bin's rows a minute, None no bin."""
    return [
        Series(BIN, " ".join(values).replace("{}", str(n)), {**feature, "bin": str(i), **place})
        for i, n in enumerate(each)
        if n is not None
    ]


def reference(feature: Labels, place: Labels, values: str, *, deff: float = 1.0) -> list[Series]:
    """Return a replica's gauges; ``{}`` in the values is the value."""
    shares = [
        Series(RATIO, values.replace("{}", f"{share:g}"), {**feature, "bin": str(i), **place})
        for i, share in enumerate(TENTHS)
    ]
    return [*shares, Series(EFFECT, values.replace("{}", f"{deff:g}"), {**feature, **place})]


def psi(*replicas: Sequence[int | None]) -> float:
    """Return numpy's index of the pooled rows."""
    q = np.sum([[n or 0 for n in each] for each in replicas], axis=0, dtype=float)
    q, p = np.maximum(q / q.sum(), 1e-4), np.maximum(TENTHS, 1e-4)
    return float(((q - p) * np.log(q / p)).sum())


def check(
    folder: Path,
    series: Sequence[Series],
    expected: dict[tuple[int, str, str], float | None],
    tolerance: float = 1e-9,
) -> None:
    """Fail unless the index at (minute, reference, window) is this one, or absent."""
    tests = []
    for (minute, at, window), value in expected.items():
        text = f'tidegauge:fleet:psi{{reference="{at}",window="{window}"}}'
        text = text if value is None else f"count(abs({text} - {value:.17g}) < {tolerance:g})"
        samples = [] if value is None else [{"labels": "{}", "value": 1}]
        tests.append({"eval_time": f"{minute}m", "expr": text, "exp_samples": samples})
    story = {
        "interval": "1m",
        "input_series": [
            {"series": each.name + _labels(each.labels), "values": each.values} for each in series
        ],
        "promql_expr_test": tests,
    }
    (folder / "rules.yml").write_text(json.dumps({"groups": GROUPS}))
    path = folder / "psi.yml"
    path.write_text(json.dumps({"rule_files": ["rules.yml"], "tests": [story]}))
    Promtool().test_rules(path)


def _labels(labels: Labels) -> str:
    return "{" + ",".join(f"{key}={json.dumps(value)}" for key, value in labels.items()) + "}"


def test_promtool_accepts_the_fleets_rules(tmp_path: Path) -> None:
    """The rendered file is valid: four records a window and one alert, beside the default ones."""
    path = tmp_path / "rules.yml"
    path.write_text(render_prometheus((*DEFAULT_ALERTS, *FLEET_ALERTS)))
    default = len(rule_groups(DEFAULT_ALERTS)[0]["rules"])
    assert f"SUCCESS: {default + 2 * 4 + 1} rules found" in Promtool().check_rules(path)


def test_the_index_is_numpys_on_the_pooled_rows(tmp_path: Path) -> None:
    """Replicas of different traffic and age, a bin never seen, an idle feature, missing values."""
    one: list[int | None] = [30, 5, 5, 5, 5, 5, 5, 5, 5, None]
    two: list[int | None] = [5, 5, 5, 5, 10, 10, 20, 30, 40, None]
    idle = {**AGE, "feature": "idle"}
    series = [
        *rows(AGE, one, pod(1), f"0+{{}}x{2 * LONG}"),
        *rows(AGE, two, pod(2), f"700+{{}}x{2 * LONG}"),
        *rows(idle, CLEAN, pod(1), f"5x{2 * LONG}"),
        Series(BIN, f"0+999x{2 * LONG}", {**AGE, "bin": "missing", **pod(1)}),
        Series(BIN, f"0+999x{2 * LONG}", {**AGE, "bin": "other", **pod(1)}),
        *reference(AGE, pod(1), f"{{}}x{2 * LONG}"),
        *reference(AGE, pod(2), f"{{}}x{2 * LONG}"),
        *reference(idle, pod(1), f"{{}}x{2 * LONG}"),
    ]
    at = AGE["reference"]
    found = psi(one, two)
    assert found > 0.5
    check(tmp_path, series, {(m, at, "1h"): found for m in (90, 300, 2 * LONG)})
    # The first hour of the one that began before is extrapolated by half a minute.
    check(tmp_path, series, {(m, at, "4h"): found for m in (90, 200)}, 0.01 * found)
    check(tmp_path, series, {(2 * LONG - 1, at, "4h"): found})
    with pytest.raises(AssertionError, match="FAILED"):
        check(tmp_path, series, {(90, at, "1h"): found + 2e-9})


def test_a_long_window_is_made_of_short_ones(tmp_path: Path) -> None:
    """Two clean hours and two of a shift are four; the last hour is the shift alone."""
    series = [
        *rows(AGE, CLEAN, pod(1), f"0+{{}}x{LONG // 2}", "stale"),
        *rows(AGE, SHIFTED, pod(2), f"_x{LONG // 2} 0+{{}}x{LONG // 2 + 10}"),
        *reference(AGE, pod(1), f"{{}}x{LONG + 10}"),
    ]
    at = AGE["reference"]
    check(tmp_path, series, {(LONG + 5, at, "1h"): psi(SHIFTED)})
    check(tmp_path, series, {(LONG + 5, at, "4h"): psi(CLEAN, SHIFTED)}, 0.01 * psi(CLEAN, SHIFTED))


def test_a_restart_and_a_rolling_deploy_are_right_on_both_sides(tmp_path: Path) -> None:
    """Counters that begin anew are no drop, and each reference has its own index."""
    one = [24, 12, 12, 12, 12, 12, 12, 12, 12, 0]
    two = [0, 12, 12, 12, 12, 12, 12, 12, 12, 24]
    series = [
        # Back to 0 after an hour, with two scrapes missed.
        *rows(AGE, one, pod(1), "7000+{}x60", "_ _", "0+{}x57", "stale"),
        *rows(AGE, two, pod(2), "7000+{}x210", "stale"),
        *rows(NEW, two, pod(3), "_x119 0+{}x120"),
        *rows(NEW, two, pod(4), "_x179 0+{}x60"),
        *reference(AGE, pod(2), "{}x210 stale"),
        *reference(NEW, pod(3), "_x119 {}x120"),
    ]
    old, new = AGE["reference"], NEW["reference"]
    check(
        tmp_path,
        series,
        {
            (50, old, "1h"): psi(one, two),
            (200, old, "1h"): psi(two),
            (200, new, "1h"): psi(two),
            (216, old, "1h"): None,
            (235, new, "1h"): psi(two),
        },
    )
    # Three minutes of one replica are lost.
    check(tmp_path, series, {(110, old, "1h"): psi(one, two)}, tolerance=1e-3)


HOUR = {**AGE, "window": "1h"}
STORIES = (
    Story(
        "FleetDrift",
        "all rows shift for four hours; it ends with the hour, and with the four hours",
        (
            *rows(AGE, SHIFTED, pod(1), "0+{}x240"),
            *rows(AGE, CLEAN, pod(2), "_x240 0+{}x300"),
            *reference(AGE, pod(1), "{}x540"),
        ),
        (
            Firing(5),
            Firing(20, (HOUR,)),
            Firing(230, (HOUR, {**AGE, "window": "4h"})),
            Firing(305, ({**AGE, "window": "4h"},)),
            Firing(500),
        ),
    ),
    Story(
        "FleetDrift",
        "one of four replicas shifts by as much: together it is little",
        (
            *rows(AGE, SHIFTED, pod(1), "0+{}x120"),
            *(each for n in (2, 3, 4) for each in rows(AGE, CLEAN, pod(n), "0+{}x120")),
            *reference(AGE, pod(2), "{}x120"),
        ),
        (Firing(60), Firing(119)),
    ),
    Story(
        "FleetDrift",
        "dependent rows: 7,000 an hour are worth 280, and say nothing",
        (
            *rows(AGE, SHIFTED, pod(1), "0+{}x59"),
            *reference(AGE, pod(1), "{}x59", deff=25),
        ),
        (Firing(30), Firing(59)),
    ),
    Story(
        "FleetDrift",
        "without a design effect nobody knows what the rows are worth",
        (
            *rows(AGE, SHIFTED, pod(1), "0+{}x120"),
            *reference(AGE, pod(1), "{}x120")[:-1],
        ),
        (Firing(60), Firing(119)),
    ),
    Story(
        "FleetDrift",
        "240 rows in four hours, all in one bin, are too few",
        (
            *rows(AGE, [0] * 9 + [1], pod(1), "0+{}x299", "_x10"),
            *rows(AGE, [1] + [0] * 9, pod(2), "0x299", "_x10"),
            *reference(AGE, pod(1), "{}x309"),
        ),
        (Firing(100), Firing(250)),
    ),
    Story(
        "FleetDrift",
        "clean rows, a replica that restarts again and again",
        (
            *rows(AGE, CLEAN, pod(1), *(["0+{}x7", "_"] * 30)),
            *rows(AGE, CLEAN, pod(2), "0+{}x270"),
            *reference(AGE, pod(1), "{}x270"),
        ),
        tuple(Firing(minute) for minute in (30, 61, 120, 200, 269)),
    ),
    Story(
        "FleetDrift",
        "clean rows, the reference replaced replica by replica",
        (
            *rows(AGE, CLEAN, pod(1), "0+{}x60", "stale"),
            *rows(AGE, CLEAN, pod(2), "0+{}x90", "stale"),
            *rows(NEW, CLEAN, pod(1), "_x61 0+{}x120"),
            *rows(NEW, CLEAN, pod(2), "_x91 0+{}x90"),
            *reference(AGE, pod(1), "{}x60 stale"),
            *reference(AGE, pod(2), "{}x90 stale"),
            *reference(NEW, pod(1), "_x61 {}x120"),
            *reference(NEW, pod(2), "_x91 {}x90"),
        ),
        tuple(Firing(minute) for minute in (59, 65, 95, 120, 180)),
    ),
    Story("FleetDrift", "no series at all", (Series("up", "1x30", pod(1)),), (Firing(30),)),
)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.title)
def test_a_story_of_the_fleet(story: Story, tmp_path: Path) -> None:
    """The alert fires when the story says so, and at no other minute of it."""
    play([story], GROUPS, tmp_path, labels={"severity": "warning"})


def test_the_texts_are_filled_in(tmp_path: Path) -> None:
    """Who reads the alert sees what moved, over which time, and where to look."""
    story = Story(
        "FleetDrift",
        "a shift",
        (*rows(AGE, SHIFTED, pod(1), "0+{}x60"), *reference(AGE, pod(1), "{}x60")),
        (Firing(20, (HOUR,)),),
    )
    texts = {
        "summary": (
            "age of fraud version 3 has moved away from the reference on all replicas together "
            f"(PSI {psi(SHIFTED):.3g})"
        ),
        "description": (
            "Over the last 1h the rows of all replicas of fraud version 3 have a population "
            "stability index of age above 0.2 against reference 0a1b2c3d."
        ),
        "first_steps": (
            "model_feature_bin_total by replica tells whether one of them differs or all do; then "
            "look for a change upstream: a unit, a default, a new source."
        ),
    }
    play([story], GROUPS, tmp_path, labels={"severity": "warning"}, texts=texts)


def test_a_deleted_guard_would_be_seen(tmp_path: Path) -> None:
    """The story of dependent rows fails without the guard: it can fail."""
    groups: list[dict[str, Any]] = json.loads(json.dumps(GROUPS))
    for rule in groups[0]["rules"]:
        rule["expr"] = rule["expr"].replace(">= 300", ">= 3")
    (story,) = (each for each in STORIES if each.title.startswith("dependent rows"))
    with pytest.raises(AssertionError, match="FleetDrift"):
        play([story], groups, tmp_path, labels={"severity": "warning"})
