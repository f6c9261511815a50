"""The page of the docs, made of the results."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from caution import CASES
from caution import RULES as CAUTION
from live import SHIFTS, Summary, cases, summarise, upper
from marked import has_mark, put
from paging import PANE_S, Case, shape
from results import read
from rules import LEVELS, OURS, PEER, REFERENCES, ROWS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    Lines = Sequence[dict[str, Any]]

_DOCS = Path(__file__).parents[2] / "docs"
PAGES = (_DOCS / "reference" / "false-alarms.md", _DOCS / "explanation" / "level-of-an-alarm.md")


def render(given: argparse.Namespace) -> None:
    """Put the tables between their marks; one without results stays as it is."""
    for page in PAGES:
        for name, make in TABLES.items():
            table = make(read(given.results / f"{name}.jsonl")) if has_mark(page, name) else []
            if table:
                put(page, name, table)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    listed = [f"| {' | '.join(row)} |" for row in rows]
    return [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *listed] if listed else []


def _by_case(lines: Lines) -> dict[str, Lines]:
    found: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        found.setdefault(line["case"], []).append(line)
    return dict(found)


def _seen(lines: Lines, ordered: Iterable[Case]) -> list[tuple[Case, Lines]]:
    found = _by_case(lines)
    wanted = sorted(ordered, key=lambda c: (-c.reference, c.rho, c.rate, c.rows))
    return [(case, found[case.name]) for case in wanted if case.name in found]


def _named(case: Case) -> list[str]:
    asked = "any" if case.rate * PANE_S > _LARGEST else f"{case.rows:,}"
    kind = "independent" if case.rho == 0 else f"AR(1) {case.rho:g}".replace("0.", ".")
    return [f"{case.reference:,}", kind, f"{case.rate:,}", asked, f"{shape(case).rows:,}"]


#: What proves a line, as the table and the sentence after it say it.
PROOFS = {"months": "months", "pairs": "pairs", "flags": "flags", "": "none"}
PROVED = {
    "months": "proved by months",
    "pairs": "proved by pairs",
    "flags": "with hardly a flag to count",
    "": "not proved",
}
_LARGEST = 5000
_CASE = ("reference", "rows are", "rows/s", "window", "rows")


def _live(lines: Lines) -> list[str]:
    rows, proofs = [], Counter[str]()
    onsets, months, windows = 0, 0.0, 0
    for case, results in _seen([each for line in lines for each in _cases(line)], cases()):
        s = summarise(case, results)
        rows.append(
            [*_named(case), f"{s.models}", f"{s.months:.2f}", f"{s.onsets}", _short(s.bound),
             _pairs(s), PROOFS[s.proof], f"{s.undecided:.0%}"]
        )  # fmt: skip
        proofs[s.proof] += 1
        onsets, months, windows = onsets + s.onsets, months + s.months, windows + s.windows
    if not rows:
        return []
    head = ("models", "months", "onsets", "at most", "expected", "proof", "undecided")
    said = ", ".join(f"{proofs[proof]} {what}" for proof, what in PROVED.items())
    return [
        *_table([*_CASE, *head], rows),
        "",
        f"All lines together: {onsets} onset{'s' * (onsets != 1)} in {months:.1f} months, "
        f"{windows:,} windows; "
        f"an average of at most {upper(onsets, months):.2f} a month (95 %).",
        f"Of {len(rows)} lines: {said}.",
    ]


def _cases(line: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**case, "model": line["model"]} for case in line["lines"]]


def _pairs(s: Summary) -> str:
    if s.expected is None or s.most is None:
        return ""
    level = f" at {s.ease} x" if s.ease > 1 else ""
    return f"{_short(s.expected)} (at most {_short(s.most)}){level}"


def _short(value: float) -> str:
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _delays(lines: Lines) -> list[str]:
    rows = []
    for case, results in _seen(lines, cases()):
        cells = []
        for shift in SHIFTS:
            found = [line["rows"][str(shift)] for line in results]
            cells.append(_late([math.inf if late is None else late for late in found]))
        rows.append([*_named(case), f"{len(results)}", *cells])
    return _table([*_CASE, "models", *(f"{shift:g} sd" for shift in SHIFTS)], rows)


def _late(found: list[float]) -> str:
    half, most = (np.quantile(found, q, method="higher") for q in (0.5, 0.9))
    return ", ".join("never" if math.isinf(rows) else f"{rows:,.0f}" for rows in (half, most))


def _caution(lines: Lines) -> list[str]:
    rows = []
    for case, results in _seen(lines, CASES):
        numbers = [
            _short(float(np.mean([line[what][rule] for line in results])))
            for what in ("onsets", "seen")
            for rule in CAUTION
        ]
        kind = f"AR(1) {case.rho:g}".replace("0.", ".")
        rows.append(
            [f"{case.reference:,}", kind, f"{shape(case).rows:,}", f"{len(results)}", *numbers]
        )
    head = [f"{what}: {rule}" for what in ("onsets", "seen") for rule in CAUTION]
    return _table(("reference", "rows are", "rows", "models", *head), rows)


def _rules(lines: Lines) -> list[str]:
    found = _by_case(lines)
    labels = {"20": "20 features", **{f"zipf{k}": f"one of {k} levels" for k in LEVELS}}
    rows = []
    for name, reference, size in itertools.product(labels, REFERENCES, ROWS):
        windows = found.get(f"{name} n{size} m{reference}", [])
        ours = [line for line in windows if line["rule"] == OURS]
        if ours:
            theirs = [line for line in windows if line["rule"] == PEER]
            shares = [_share(ours, rule) for rule in ("ours", "anything", "classic")]
            shares += [_share(theirs, "flagged"), f"{len(theirs)}" if theirs else ""]
            rows.append([labels[name], f"{size:,}", f"{reference:,}", f"{len(ours)}", *shares])
    head = ("windows", "report", "anything", "classic", "Evidently", "of windows")
    return _table(("features", "rows", "reference", *head), rows)


def _days(lines: Lines) -> list[str]:
    rows = []
    for line in lines:
        judged, undecided = 24 * len(line["flagged"]), sum(line["undecided"].values())
        flagged = ", ".join(f"{name} {hours}" for name, hours in line["flagged"].items() if hours)
        rows.append(
            [line["case"], line["rule"], f"{line['alarms']} of 24", flagged or "none",
             f"{undecided} of {judged}"]
        )  # fmt: skip
    head = ("data", "reference", "hours flagged", "hours of each feature", "undecided")
    return _table(head, rows)


def _share(windows: Lines, rule: str) -> str:
    known = [window[rule] for window in windows if rule in window]
    return f"{np.mean(known):.3f}" if known else ""


TABLES = {"live": _live, "delay": _delays, "rules": _rules, "days": _days, "caution": _caution}
