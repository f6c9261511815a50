"""Reference profiles: found, loadable, and how many series they lead to.

Drift is a plugin, so its own command is asked, as a person would.
"""

from __future__ import annotations

import datetime as dt
import json
from argparse import ArgumentParser
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from tidegauge.command import CommandError
from tidegauge_semconv import Kind, all_metrics
from tidegauge_semconv import metrics as m

from tidegauge_distro import exporters
from tidegauge_distro.cli.catalogue import Broken, Catalogue
from tidegauge_distro.doctor.configuration import in_force
from tidegauge_distro.doctor.report import Report

T = TypeVar("T")

SUFFIX = ".reference.json"
_SHOW = "reference show"
# With fewer cycles one odd day or week passes for what is normal.
_CYCLES = 2
_PATH = "TIDEGAUGE_REFERENCE"
# In place of a path: references are learnt from live rows, into the folder of states.
_WARMUP = "warmup"
_STATE = "TIDEGAUGE_STATE_DIR"
_CORRELATION = "TIDEGAUGE_DRIFT_CORRELATION"

# Of a window: its rows, its features by state (6), three families; correlation is a fourth.
_SERIES_OF_A_WINDOW = 1 + 6 + 3
# Of a feature in the first window. psi comes with the effective rows that its alert needs, detected
# stands once in the feature's own family and once in data quality.
_SERIES_OF_A_FEATURE = {"psi": 2, "ks.statistic": 1, "detected": 2}


# Exporters to which each bucket of a histogram is a series.
_BY_BUCKET = (exporters.OURS, "prometheus")


class _Paper:
    """A terminal that keeps what a command writes."""

    def __init__(self) -> None:
        self.text = ""

    def print(self, text: str = "") -> None:
        self.text += text + "\n"

    def write(self, text: str) -> None:
        self.text += text

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        self.text += "\n".join([title, *("  ".join(row) for row in (columns, *rows))]) + "\n"

    def track(
        self,
        items: Iterable[T],
        description: str,  # noqa: ARG002 - the protocol's
        total: float | None = None,  # noqa: ARG002 - the protocol's
    ) -> Iterable[T]:
        return items


def examine(report: Report, environ: Mapping[str, str]) -> None:
    """Add the references in force and the series that a model may have."""
    path = in_force(_PATH)
    if _SHOW not in Catalogue().names():
        report.notes.append("Drift is not installed: pip install tidegauge-drift to watch it.")
        return
    if not path:
        report.notes.append(
            f"{_PATH} is not set, so there is no drift. `tidegauge reference build --help` shows "
            "how a reference is made."
        )
        return
    learns = str(path).partition(":")[0] == _WARMUP
    files = _learnt(report, str(in_force(_STATE) or "")) if learns else _files(Path(path))
    if not files and not learns:
        report.problems.append(
            f"{_PATH}: got {str(path)!r} from the environment; expected a file or a folder of "
            f"<model>{SUFFIX}. Build one with `tidegauge reference build`."
        )
    rows, series = [], []
    beside_core = 0
    for file in files:
        profile = _read(file, report)
        if profile is None:
            rows.append((file.name, "cannot be used", "", "", ""))
            continue
        report.notes += _short(file.name, profile)
        if in_force(_CORRELATION) and not profile.get("correlation"):
            report.problems.append(
                f"{file.name}: got no correlations from the file, and {_CORRELATION}=true; "
                "expected those of two numeric features. Build it with 'tidegauge reference build "
                "--correlation'."
            )
        watched = _length(profile, "features") + _length(profile, "outputs")
        rows.append(
            (
                file.name,
                str(profile.get("reference", "")),
                str(profile.get("rows", "")),
                str(watched),
                str(profile.get("built", "")),
            )
        )
        segments = bool(profile.get("segments") and in_force("TIDEGAUGE_DRIFT_SEGMENTS"))
        drift, most = drift_series(watched, segments=segments)
        fleet = profile.get("fleet_series", 0) if in_force("TIDEGAUGE_DRIFT_FLEET") else 0
        series.append((file.name, str(drift), str(most), str(fleet), str(core_series())))
        beside_core += drift + int(str(fleet))
    report.add("references", ("file", "reference", "rows", "features", "built"), rows)
    report.add(
        "series of a model in Prometheus, at most",
        (
            "reference",
            "drift",
            "drift's budget",
            "fleet, beside the budget",
            "requests, latency and values of one operation",
        ),
        series,
    )
    names = environ.get(exporters.METRICS.variable, "").strip() or exporters.default(
        exporters.METRICS, environ
    )
    report.add(
        "series of all these models, at most",
        ("exporter", "models", "a histogram is", "series"),
        [
            _in_all(name.strip(), len(series), beside_core)
            for name in names.split(",")
            if series and name.strip() not in ("", exporters.NONE)
        ],
    )


def _learnt(report: Report, state: str) -> list[Path]:
    """Say what is learnt, and return what has been."""
    if state in ("", "none"):
        report.problems.append(
            f"{_STATE}: got {state!r} from the environment; expected a folder that outlives the "
            f"service, as {_PATH}={_WARMUP} keeps there what it learns. Set it, or name a "
            "reference file."
        )
        return []
    waiting = len({path.name.rsplit(".", 2)[0] for path in Path(state).glob(f"*.{_WARMUP}")})
    report.notes.append(
        f"{_PATH} is {_WARMUP}: models without a file in {state} learn their reference from live "
        f"rows, {waiting} now, and are not judged until then. `tidegauge explain` says how far."
    )
    return _files(Path(state)) if Path(state).is_dir() else []


def _in_all(exporter: str, models: int, beside_core: int) -> tuple[str, ...]:
    buckets = exporter in _BY_BUCKET
    total = beside_core + models * core_series(buckets=buckets)
    shown = "a series a bucket" if buckets else "one series"
    return exporter, str(models), shown, str(total)


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(path.glob(f"*{SUFFIX}"))
    return [path]


def _read(file: Path, report: Report) -> dict[str, object] | None:
    command = Catalogue().load(_SHOW)
    if isinstance(command, Broken):
        report.problems.append(f"{_SHOW}: {command.reason}. Repair or reinstall its package.")
        return None
    parser = ArgumentParser()
    command.arguments(parser)
    paper = _Paper()
    try:
        command.run(parser.parse_args([str(file), "--json"]), paper)
        content = json.loads(paper.text)
    except CommandError as error:
        report.problems.append(str(error))
        return None
    return content if isinstance(content, dict) else {}


def _short(name: str, profile: dict[str, object]) -> list[str]:
    """Say where a reference has seen too little of a season to tell it from drift."""
    span, season = profile.get("span"), str(profile.get("season", ""))
    if not isinstance(span, list):
        return []
    first, last = (dt.datetime.fromisoformat(str(at)) for at in span)
    cycle, days = ("week", 7) if season == "hour_of_week" else ("day", 1)
    seen = (last - first) / dt.timedelta(days=days)
    if seen >= _CYCLES:
        return []
    return [
        f"{name}: its rows span {seen:.1f} {cycle}s, fewer than {_CYCLES}: what a {cycle} does to "
        "the data may look like drift. Build the reference from a longer time."
    ]


def _length(profile: dict[str, object], key: str) -> int:
    found = profile.get(key)
    return len(found) if isinstance(found, list) else 0


def drift_series(features: int, *, segments: bool = False) -> tuple[int, int]:
    """Return how many drift series a model has at most, and the budget that bounds them."""
    windows = len(in_force("TIDEGAUGE_DRIFT_WINDOWS") or ())
    export = in_force("TIDEGAUGE_DRIFT_EXPORT") or ()
    budget = int(in_force("TIDEGAUGE_DRIFT_MAX_SERIES") or 0)
    each = sum(_SERIES_OF_A_FEATURE.get(name, 1) for name in export)
    of_window = _SERIES_OF_A_WINDOW + segments + bool(in_force(_CORRELATION))
    wanted = 1 + windows * of_window + features * each
    return min(wanted, budget), budget


def core_series(*, buckets: bool = True) -> int:
    """Return how many series one operation of a model has without drift and errors.

    ``buckets`` says whether each bucket of a histogram is a series, as in Prometheus.
    """
    counted = {
        m.MODEL_REQUESTS.name: 2,
        m.TIDEGAUGE_ROWS.name: 3,
        m.MODEL_ERRORS.name: 0,
        m.MODEL_FEATURE_BIN.name: 0,  # of drift
    }
    total = 0
    for spec in all_metrics():
        if spec.attributes[:1] != m.MODEL_REQUESTS.attributes[:1]:
            continue
        if spec.kind is Kind.HISTOGRAM:
            total += len(spec.buckets) + 3 if buckets else 1  # +Inf, _count, _sum
        elif spec.kind is Kind.COUNTER:
            total += counted.get(spec.name, 1)
    return total
