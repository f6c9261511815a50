"""``tidegauge drift report``: two files in, a table in the terminal and a page out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidegauge.command import Command, CommandError, Terminal

from tidegauge_drift.profile import ProfileError
from tidegauge_drift.report import segment_words, words
from tidegauge_drift.report.compare import compare_tables
from tidegauge_drift.report.files import read_current, read_reference, with_outputs
from tidegauge_drift.report.options import CompareSettings

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable, Sequence

    from tidegauge_drift.report.result import DriftReport, FeatureReport
    from tidegauge_drift.report.segment_result import BySegment, SegmentReport

DRIFTED = 1
# A table in a terminal is no place for hundreds of features without anything to say.
_SHOWN = 30


_LISTS = {
    "--outputs": ("COL", "a column that is an output of the model (a reference file knows)"),
    "--drop": ("COL", "a column that is no input and no output, such as the label"),
    "--include": ("GLOB", "inputs that take part (default: all)"),
    "--exclude": ("GLOB", "inputs that take no part"),
}
_FILES = {
    "--html": "write the report as one page that is readable offline",
    "--json": "write the report as JSON; - is standard output",
}
_SWITCHES = {
    "--multivariate": "also compare all numeric features together",
    "--all": f"show every feature, not only the first {_SHOWN} without a flag",
    "--fail-on-drift": f"exit with {DRIFTED} where a feature drifted, its data quality changed, "
    "or the current rows lack it",
}


def _arguments(parser: ArgumentParser) -> None:
    tables = ".csv, .csv.gz, .tsv or .parquet, or what a plugin reads (.bin: a whylogs profile)"
    parser.add_argument("reference", help=f"what is normal: a reference file (.json), or {tables}")
    parser.add_argument("current", help=f"the rows in question: {tables}")
    for name, (metavar, what) in _LISTS.items():
        parser.add_argument(name, action="append", default=[], metavar=metavar, help=what)
    what = (
        "times of the reference: rows that depend on each other count less; with a reference file "
        "that has a season, times of the current table: the hours to compare with"
    )
    parser.add_argument("--time-column", default="", metavar="COL", help=what)
    what = (
        "also compare the rows of each value of a column by themselves, of the ten most frequent "
        "ones; with a reference file the column that it was built by"
    )
    parser.add_argument("--segment", default="", metavar="COL", help=what)
    what = "level of each family of tests (default: 0.05)"
    parser.add_argument("--alpha", type=float, default=0.05, metavar="P", help=what)
    for name, what in _FILES.items():
        parser.add_argument(name, metavar="FILE", help=what)
    for name, what in _SWITCHES.items():
        parser.add_argument(name, action="store_true", help=what)


def _run(arguments: Namespace, terminal: Terminal) -> int:
    def track(items: Sequence[Any], what: str) -> Iterable[Any]:
        return terminal.track(items, what, total=len(items)) if items else items

    try:
        settings = CompareSettings(
            outputs=arguments.outputs,
            drop=arguments.drop,
            include=arguments.include,
            exclude=arguments.exclude,
            time_column=arguments.time_column,
            segment=arguments.segment,
            alpha=arguments.alpha,
            multivariate=arguments.multivariate,
        )
        reference = read_reference(arguments.reference, terminal.track)
        current = read_current(arguments.current, reference, terminal.track)
        settings = with_outputs(settings, reference)
        names = Path(arguments.reference).name, Path(arguments.current).name
        report = compare_tables(reference, current, settings, sources=names, track=track)
    except (ProfileError, TypeError, ValueError) as error:
        raise CommandError(str(error)) from error
    if arguments.json != "-":
        _show(report, terminal, everything=arguments.all)
    _write(report, arguments, terminal)
    return DRIFTED if arguments.fail_on_drift and report.drifted else 0


def _show(report: DriftReport, terminal: Terminal, *, everything: bool) -> None:
    flagged = [feature for feature in report.features if feature.flagged]
    rest = [feature for feature in report.features if not feature.flagged]
    shown = rest if everything else rest[:_SHOWN]
    title = f"{words.headline(report)}: {report.current.source} against {report.reference.source}"
    columns = ("feature", "verdict", "effect", "p", "PSI", "KS", "data quality", "note")
    terminal.table(title, columns, [_row(f, report.alpha) for f in (*flagged, *shown)])
    if len(rest) > len(shown):
        terminal.print(f"{len(rest) - len(shown)} more without a flag; --all shows them.")
    for names, what in ((report.missing, "missing"), (report.additional, "not in the reference")):
        if names:
            terminal.print(f"{what}: {', '.join(names)}")
    for note in words.notes(report):
        terminal.print(note)
    if report.segments is not None:
        _show_segments(report.segments, terminal)


def _show_segments(by: BySegment, terminal: Terminal) -> None:
    title = f"By {by.column}: {segment_words.headline(by)}"
    columns = (by.column, "reference", "current", "verdict", "features that differ", "note")
    terminal.table(title, columns, [_segment_row(segment) for segment in by.segments])
    for note in segment_words.notes(by):
        terminal.print(note)


def _segment_row(segment: SegmentReport) -> tuple[str, ...]:
    return (
        segment.value,
        f"{segment.reference_rows:,}",
        f"{segment.current_rows:,}",
        segment_words.verdict(segment).lower(),
        segment_words.differing(segment),
        segment_words.brief(segment),
    )


def _row(feature: FeatureReport, alpha: float) -> tuple[str, ...]:
    psi, ks = (feature.statistics.get(name) for name in ("psi", "ks"))
    size = words.times_floor(feature) if feature.effect_of else words.NOTHING
    return (
        feature.name if feature.family == "inputs" else f"{feature.name} (output)",
        words.verdict(feature).lower(),
        size,
        words.p_value(feature.adjusted_p_value),
        words.number(psi.value if psi else None, 3),
        words.number(ks.value if ks else None, 3),
        words.flags(feature).replace("\u00a0", " "),
        words.brief(feature, alpha),
    )


def _write(report: DriftReport, arguments: Namespace, terminal: Terminal) -> None:
    for target, make in ((arguments.html, report.to_html), (arguments.json, report.to_json)):
        if target == "-":
            terminal.write(make() + "\n")
        elif target:
            try:
                Path(target).write_text(make(), encoding="utf-8")
            except OSError as error:
                raise CommandError(
                    f"{target}: got {type(error).__name__} while writing the report; expected a "
                    "file that can be written. Name another one."
                ) from error
            terminal.print(f"wrote {target}")


REPORT = Command(
    summary="Compare a table with a reference, feature by feature; write a page about it.",
    example="tidegauge drift report train.csv last_week.parquet --outputs score --html drift.html",
    arguments=_arguments,
    run=_run,
)
