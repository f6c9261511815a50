"""``tidegauge reference build`` and ``tidegauge reference show``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from tidegauge.command import Command, CommandError, Terminal
from tidegauge.settings import SettingError
from tidegauge.settings import load as load_settings

from tidegauge_drift.files import build_file
from tidegauge_drift.fleet import series
from tidegauge_drift.layout import Layout
from tidegauge_drift.profile import Feature, NumericFeature, ProfileError, ReferenceProfile
from tidegauge_drift.references import SUFFIX
from tidegauge_drift.settings import DriftSettings
from tidegauge_drift.store import checksum, load, save, to_dict

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def _build_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("table", help="the model's inputs: .csv, .csv.gz, .tsv or .parquet")
    parser.add_argument("-o", "--output", help=f"the file to write (default: <table>{SUFFIX})")
    parser.add_argument("--drop", action="append", default=[], metavar="COL",
                        help="a column that the model does not get, such as the label")  # fmt: skip
    parser.add_argument("--holdout", metavar="FILE",
                        help="rows that the model was not fitted on, with its outputs")  # fmt: skip
    parser.add_argument("--outputs", action="append", default=[], metavar="COL",
                        help="a column of the holdout that is an output of the model")  # fmt: skip
    parser.add_argument("--include", action="append", default=[], metavar="GLOB",
                        help="features that take part in drift (default: all)")  # fmt: skip
    parser.add_argument("--exclude", action="append", default=[], metavar="GLOB",
                        help="features that take no part in drift")  # fmt: skip


def _build(arguments: Namespace, terminal: Terminal) -> int:
    try:
        settings = load_settings(DriftSettings)
        profile = build_file(
            arguments.table,
            holdout=arguments.holdout,
            outputs=tuple(arguments.outputs),
            drop=tuple(arguments.drop),
            include=tuple(arguments.include) or settings.include,
            exclude=tuple(arguments.exclude) or settings.exclude,
            hash_categories=settings.hash_categories,
            track=terminal.track,
        )
        target = Path(arguments.output or _name(arguments.table))
        save(profile, target)
    except (ProfileError, SettingError) as error:
        raise CommandError(str(error)) from error
    terminal.print(
        f"{target}: {len(profile.features)} features, {len(profile.outputs)} outputs, "
        f"{profile.rows} rows, reference {checksum(profile)[:8]}"
    )
    for column in profile.left_out:
        terminal.print(f"  left out: {column.name} ({column.note})")
    if not profile.outputs:
        terminal.print("  no outputs: pass --holdout and --outputs to watch them too")
    return 0


def _name(table: str) -> str:
    stem = Path(table).name
    for suffix in (".gz", ".csv", ".tsv", ".parquet", ".pq"):
        stem = stem.removesuffix(suffix)
    return f"{stem}{SUFFIX}"


def _show_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", help="a reference file")
    parser.add_argument("--json", action="store_true", help="print the profile as JSON")


def _show(arguments: Namespace, terminal: Terminal) -> int:
    try:
        profile = load(arguments.file)
    except ProfileError as error:
        raise CommandError(str(error)) from error
    if arguments.json:
        content = {
            "reference": checksum(profile)[:8],
            "fleet_series": series(Layout(profile), _fleet_features()),
            **to_dict(profile),
        }
        terminal.write(json.dumps(content, indent=2, allow_nan=False) + "\n")
        return 0
    title = (
        f"reference {checksum(profile)[:8]}: {profile.rows} rows of {profile.source}, "
        f"built {profile.built}, order {profile.order}"
    )
    columns = ("feature", "kind", "rows", "missing", "range", "cells", "worst KS error", "notes")
    terminal.table(title, columns, _rows(profile))
    return 0


def _fleet_features() -> tuple[str, ...]:
    try:
        return load_settings(DriftSettings).fleet_features
    except SettingError:  # said where drift starts, and by doctor
        return ()


def _rows(profile: ReferenceProfile) -> list[tuple[str, ...]]:
    rows = [_row(feature, "") for feature in profile.features]
    rows += [_row(feature, "output") for feature in profile.outputs]
    rows += [
        (column.name, "-", "-", "-", "-", "-", "-", f"left out: {column.note}")
        for column in profile.left_out
    ]
    return rows


def _row(feature: Feature, note: str) -> tuple[str, ...]:
    missing = f"{feature.missing / feature.rows:.1%}"
    notes = [note] if note else []
    if isinstance(feature, NumericFeature):
        if feature.atoms:
            notes.append(f"{len(feature.atoms)} frequent values")
        if feature.minimum == feature.maximum:
            notes.append("constant")
        span = f"{feature.minimum:.6g} to {feature.maximum:.6g}"
        error = f"{feature.ks_error:.4f}"
        kind = "numeric"
    else:
        if feature.high_cardinality:
            notes.append("too many categories to tell new ones")
        span, error, kind = f"{feature.distinct} categories", "-", "categorical"
    cells = str(feature.cells)
    return feature.name, kind, str(feature.rows), missing, span, cells, error, ", ".join(notes)


BUILD = Command(
    summary="Count a table of the model's inputs into a reference file.",
    example="tidegauge reference build train.csv -o fraud.reference.json --drop label",
    arguments=_build_arguments,
    run=_build,
)
SHOW = Command(
    summary="Show what a reference file knows of each feature.",
    example="tidegauge reference show fraud.reference.json",
    arguments=_show_arguments,
    run=_show,
)
