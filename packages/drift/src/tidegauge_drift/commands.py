"""``tidegauge reference build`` and ``tidegauge reference merge``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidegauge.command import Command, CommandError, Terminal
from tidegauge.settings import SettingError
from tidegauge.settings import load as load_settings

from tidegauge_drift.files import build_file
from tidegauge_drift.judge import LOW_POWER_ROWS
from tidegauge_drift.merging import merge
from tidegauge_drift.profile import NumericFeature, ProfileError, ReferenceProfile
from tidegauge_drift.references import SUFFIX
from tidegauge_drift.scoring import OPERATIONS
from tidegauge_drift.settings import DriftSettings
from tidegauge_drift.store import checksum, load, save
from tidegauge_drift.times import SEASONS

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

_COLUMNS: dict[str, Any] = {"action": "append", "default": [], "metavar": "COL"}


def _build_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "table",
        help="the model's inputs: .csv, .csv.gz, .tsv or .parquet; it may be larger than memory",
    )
    parser.add_argument("-o", "--output", help=f"the file to write (default: <table>{SUFFIX})")
    columns = parser.add_argument_group("columns")
    columns.add_argument("--drop", **_COLUMNS, help="a column that the model does not get")
    columns.add_argument(
        "--target", default="", metavar="COL", help="the right answers: no input of the model"
    )
    columns.add_argument(
        "--include", action="append", default=[], metavar="GLOB",
        help="features that take part in drift (default: all but times and what names rows, which "
             "have to be named in full)",
    )  # fmt: skip
    columns.add_argument(
        "--exclude", action="append", default=[], metavar="GLOB",
        help="features that take no part in drift",
    )  # fmt: skip
    columns.add_argument(
        "--correlation", action="store_true",
        help="store how the first 50 numeric columns that are not constant correlate, for "
             "TIDEGAUGE_DRIFT_CORRELATION",
    )  # fmt: skip
    times = parser.add_argument_group("times")
    times.add_argument(
        "--time-column", default="", metavar="COL",
        help="the rows' times, ascending: how much rows depend on each other is measured, and "
             "tests are made with the rows that they are worth; without it the order is unknown",
    )  # fmt: skip
    times.add_argument(
        "--season", default="", choices=[*SEASONS],
        help="compare each hour of the day, or of the week, with the same one (UTC); needs "
             "--time-column",
    )  # fmt: skip
    parser.add_argument_group("segments").add_argument(
        "--segment", default="", metavar="COL",
        help="an input such as a country: the rows of each of its ten most frequent values are "
             "counted, and compared live, by themselves too; not with --season",
    )  # fmt: skip
    _output_arguments(parser)


def _output_arguments(parser: ArgumentParser) -> None:
    outputs = parser.add_argument_group(
        "outputs", "They must be for rows that the model was not fitted on."
    )
    outputs.add_argument("--holdout", metavar="FILE", help="a table of such rows")
    outputs.add_argument(
        "--outputs", **_COLUMNS, help="a column of the holdout that is an output of the model"
    )
    outputs.add_argument(
        "--oof", **_COLUMNS,
        help="a column of the table itself with outputs out of fold, as of cross_val_predict",
    )  # fmt: skip
    outputs.add_argument(
        "--model", metavar="FILE",
        help="a fitted model, as joblib.dump writes it: its columns are checked, and its outputs "
             "for the holdout are counted. LOADING IT EXECUTES CODE IN THE FILE: only name files "
             "that you trust",
    )  # fmt: skip
    outputs.add_argument(
        "--operation", default="", choices=OPERATIONS,
        help="what the service calls (default: the first one that the model has)",
    )  # fmt: skip
    outputs.add_argument(
        "--in-sample", action="store_true",
        help="count the model's outputs for the table too; refused where its accuracy differs from "
             "that on the holdout by more than .02",
    )  # fmt: skip


def _build(arguments: Namespace, terminal: Terminal) -> int:
    try:
        settings = load_settings(DriftSettings)
        profile = build_file(
            arguments.table,
            holdout=arguments.holdout,
            outputs=tuple(arguments.outputs),
            oof=tuple(arguments.oof),
            model=arguments.model,
            target=arguments.target,
            operation=arguments.operation,
            in_sample=arguments.in_sample,
            drop=tuple(arguments.drop),
            include=tuple(arguments.include) or settings.include,
            exclude=tuple(arguments.exclude) or settings.exclude,
            time_column=arguments.time_column,
            season=arguments.season,
            segment=arguments.segment,
            hash_categories=settings.hash_categories,
            correlation=arguments.correlation,
            track=terminal.track,
            say=lambda text: terminal.print(f"  {text}"),
        )
        _save(profile, Path(arguments.output or _name(arguments.table)), terminal)
    except (ProfileError, SettingError) as error:
        raise CommandError(str(error)) from error
    if arguments.correlation:
        terminal.print(_correlated(profile))
    if profile.rows < LOW_POWER_ROWS:
        terminal.print(
            f"  few rows: below {LOW_POWER_ROWS} there is no PSI, and only large changes are seen"
        )
    if not profile.outputs:
        terminal.print(
            "  no outputs: pass --holdout with --outputs or --model, or --oof, to watch them too"
        )
    return 0


def _correlated(profile: ReferenceProfile) -> str:
    known = profile.correlation
    if known is None:
        return "  no correlations: fewer than two numeric columns that are not constant"
    numeric = sum(isinstance(feature, NumericFeature) for feature in profile.features)
    return f"  correlations of {len(known.names)} of {numeric} numeric columns"


def _save(profile: ReferenceProfile, target: Path, terminal: Terminal) -> None:
    save(profile, target)
    terminal.print(
        f"{target}: {len(profile.features)} features, {len(profile.outputs)} outputs, "
        f"{profile.rows} rows, reference {checksum(profile)[:8]}"
    )
    if profile.segments is not None:
        terminal.print(f"  segments: {profile.segments.name}: {', '.join(profile.segments.texts)}")
    for column in profile.left_out:
        terminal.print(f"  left out: {column.name} ({column.note})")


def _name(table: str) -> str:
    stem = Path(table).name
    for suffix in (".gz", ".csv", ".tsv", ".parquet", ".pq"):
        stem = stem.removesuffix(suffix)
    return f"{stem}{SUFFIX}"


def _merge_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE",
                        help="reference files of one model, built from different rows")  # fmt: skip
    parser.add_argument("-o", "--output", required=True, help="the file to write")


def _merge(arguments: Namespace, terminal: Terminal) -> int:
    try:
        profiles = [load(file) for file in arguments.files]
        merged = merge(profiles)
        _save(merged, Path(arguments.output), terminal)
    except ProfileError as error:
        raise CommandError(str(error)) from error
    if any(profile.season for profile in profiles):
        terminal.print("  no season: counts of slots are on other cells; build from all rows")
    if any(profile.correlation is not None for profile in profiles):
        terminal.print("  no correlations: they are of other cells; build from all rows")
    if any(profile.segments is not None for profile in profiles):
        terminal.print("  no segments: their counts are on other cells; build from all rows")
    return 0


BUILD = Command(
    summary="Count a table of the model's inputs into a reference file.",
    example="tidegauge reference build train.parquet --target label --time-column ts "
    "--holdout valid.parquet --model model.joblib -o fraud.reference.json",
    arguments=_build_arguments,
    run=_build,
)
MERGE = Command(
    summary="Merge reference files that were built from different rows into one.",
    example="tidegauge reference merge europe.reference.json asia.reference.json "
    "-o fraud.reference.json",
    arguments=_merge_arguments,
    run=_merge,
)
