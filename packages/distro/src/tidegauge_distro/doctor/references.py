"""Reference profiles: found, loadable, and what they lead to.

Drift is a plugin, so its own command is asked, as a person would.
"""

from __future__ import annotations

import datetime as dt
import json
from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from tidegauge.command import CommandError
from tidegauge.series import ModelSeries

from tidegauge_distro.cli.catalogue import Broken, Catalogue
from tidegauge_distro.doctor.configuration import in_force
from tidegauge_distro.doctor.report import Report
from tidegauge_distro.doctor.series import with_reference

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


def examine(report: Report) -> list[ModelSeries]:
    """Add the references in force; return what series their models may have."""
    path = in_force(_PATH)
    if _SHOW not in Catalogue().names():
        report.notes.append("Drift is not installed: pip install tidegauge-drift to watch it.")
        return []
    if not path:
        report.notes.append(
            f"{_PATH} is not set, so there is no drift. `tidegauge reference build --help` shows "
            "how a reference is made."
        )
        return []
    learns = str(path).partition(":")[0] == _WARMUP
    files = _learnt(report, str(in_force(_STATE) or "")) if learns else _files(Path(path))
    if not files and not learns:
        report.problems.append(
            f"{_PATH}: got {str(path)!r} from the environment; expected a file or a folder of "
            f"<model>{SUFFIX}. Build one with `tidegauge reference build`."
        )
    rows = []
    models: list[ModelSeries] = []
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
        families = segments + bool(in_force(_CORRELATION))
        fleet = profile.get("fleet_series", 0) if in_force("TIDEGAUGE_DRIFT_FLEET") else 0
        models.append(with_reference(file.name, watched, int(str(fleet)), families=families))
    report.add("references", ("file", "reference", "rows", "features", "built"), rows)
    return models


def model_names() -> list[str]:
    """Return the models that the files of a folder are named after."""
    path = Path(in_force(_PATH) or "")
    return [file.name.removesuffix(SUFFIX) for file in _files(path)] if path.is_dir() else []


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


def _files(path: Path) -> list[Path]:
    with suppress(OSError):  # out of reach: whoever reads it says why
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
