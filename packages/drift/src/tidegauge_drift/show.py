"""``tidegauge reference show``: all that a reference file knows, for people and for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tidegauge.command import Command, CommandError, Terminal
from tidegauge.settings import SettingError
from tidegauge.settings import load as load_settings

from tidegauge_drift.fleet import series
from tidegauge_drift.layout import Layout
from tidegauge_drift.plain import to_dict
from tidegauge_drift.profile import IN_TIME, Feature, NumericFeature, ProfileError, ReferenceProfile
from tidegauge_drift.settings import DriftSettings
from tidegauge_drift.store import checksum, load

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


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
    terminal.table(_title(profile), _COLUMNS, _rows(profile))
    return 0


_COLUMNS = (
    "feature", "kind", "rows", "missing", "range", "mean", "cells", "worst KS error",
    "rows worth one", "notes",
)  # fmt: skip


def _title(profile: ReferenceProfile) -> str:
    made = f"merged of {profile.merged}" if profile.merged else "built"
    parts = [
        f"reference {checksum(profile)[:8]}: {profile.rows} rows of {profile.source}",
        f"{made} {profile.built}",
        f"order {profile.order}",
    ]
    if profile.span is not None:
        parts.append(f"from {profile.span[0]} to {profile.span[1]}")
    if profile.season:
        parts.append(f"season {profile.season}")
    if profile.correlation is not None:
        parts.append(f"correlations of {len(profile.correlation.names)} columns")
    if profile.segments is not None:
        parts.append(f"segments {profile.segments.name}: {', '.join(profile.segments.texts)}")
    return ", ".join(parts)


def _fleet_features() -> tuple[str, ...]:
    try:
        return load_settings(DriftSettings).fleet_features
    except SettingError:  # said where drift starts, and by doctor
        return ()


def _rows(profile: ReferenceProfile) -> list[tuple[str, ...]]:
    known = profile.order == IN_TIME
    rows = [_row(feature, "", known=known) for feature in profile.features]
    rows += [_row(feature, "output", known=known) for feature in profile.outputs]
    rows += [
        (column.name, *("-",) * (len(_COLUMNS) - 2), f"left out: {column.note}")
        for column in profile.left_out
    ]
    return rows


def _row(feature: Feature, note: str, *, known: bool) -> tuple[str, ...]:
    missing = f"{feature.missing / feature.rows:.1%}"
    notes = [note] if note else []
    if isinstance(feature, NumericFeature):
        if feature.atoms:
            notes.append(f"{len(feature.atoms)} frequent values")
        if feature.minimum == feature.maximum:
            notes.append("constant")
        if not feature.leaves:
            notes.append("cannot be merged")
        span = f"{feature.minimum:.6g} to {feature.maximum:.6g}"
        error, mean = f"{feature.ks_error:.4f}", f"{feature.mean:.6g}"
        kind = f"numeric ({feature.unit}, s)" if feature.unit else "numeric"
    else:
        if feature.high_cardinality:
            notes.append("too many categories to tell new ones")
        span, error, kind, mean = f"{feature.distinct} categories", "-", "categorical", "-"
    worth = f"{feature.deff:.1f}" if known else "unknown"
    return (
        feature.name, kind, str(feature.rows), missing, span, mean, str(feature.cells), error,
        worth, ", ".join(notes),
    )  # fmt: skip


SHOW = Command(
    summary="Show what a reference file knows of each feature.",
    example="tidegauge reference show fraud.reference.json",
    arguments=_show_arguments,
    run=_show,
)
