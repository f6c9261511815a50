"""Builds references from files: CSV (also compressed) and Parquet, larger than memory too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidegauge_drift.builder import build, untracked
from tidegauge_drift.profile import ProfileError, ReferenceProfile
from tidegauge_drift.scoring import MOST_OPTIMISM, ScoredRows, Scorer, load_model
from tidegauge_drift.tables import Rows, open_table

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Collection, Iterator, Sequence

    from tidegauge_drift.scan import Track

    File = str | os.PathLike[str]


class _Columns:
    """Some columns of a table."""

    def __init__(self, rows: Rows, names: Sequence[str]) -> None:
        self._rows = rows
        self.names = tuple(names)
        self.named = rows.named
        self.source = rows.source

    def parts(self, wanted: Sequence[str], as_text: Collection[str]) -> Iterator[dict[str, Any]]:
        """Yield some rows after others."""
        return self._rows.parts(wanted, as_text)

    def total(self) -> int | None:
        """Return about how many parts there are, if that can be told."""
        return self._rows.total()


def _silent(text: str) -> None:
    """Say nothing."""


def build_file(
    path: File,
    *,
    holdout: File | None = None,
    outputs: tuple[str, ...] = (),
    oof: tuple[str, ...] = (),
    model: File | None = None,
    target: str = "",
    operation: str = "",
    in_sample: bool = False,
    drop: tuple[str, ...] = (),
    include: tuple[str, ...] = (),
    exclude: tuple[str, ...] = (),
    time_column: str = "",
    season: str = "",
    segment: str = "",
    built: str = "",
    hash_categories: bool = False,
    correlation: bool = False,
    track: Track = untracked,
    say: Callable[[str], None] = _silent,
) -> ReferenceProfile:
    """Build a reference profile from a CSV or Parquet file.

    Parameters
    ----------
    path : path
        The model's inputs.
    holdout : path, optional
        Rows that the model was not fitted on: with its outputs for them, or for ``model``.
    outputs : names
        Columns of ``holdout`` that are outputs. They are no inputs where ``path`` has them too.
    oof : names
        Columns of ``path`` that are outputs out of fold: each from a model that was fitted without
        the row.
    model : path, optional
        A fitted model (joblib). Loading it executes code. Its columns are the inputs, in its
        order; its outputs for ``holdout`` are counted.
    target : str
        The column with the right answers: no input; with ``model`` the accuracy is told.
    operation : str
        What live calls are of: predict_proba, predict or decision_function; the first one of these
        that ``model`` has by default.
    in_sample : bool
        Count also the outputs of ``model`` for the rows of ``path``.
    drop, include, exclude, time_column, season, segment, built, hash_categories, correlation, track
        As for ``build``; the file must be in the order of its times. Outputs are counted by segment
        where their file has the column.
    say : callable
        Gets a line about what the model was asked.

    Raises
    ------
    ProfileError
        The file cannot be read, as ``build``; outputs without rows held out; the model does not fit
        the table; or ``in_sample`` where its accuracy differs by more than .02.
    """
    if (outputs or in_sample) and holdout is None:
        got = ", ".join(outputs) or "in_sample"
        raise ProfileError(
            f"outputs: got {got} without a holdout from the argument; expected a "
            "file of rows that the model was not fitted on. Pass --holdout: outputs in sample "
            "would alarm for ever."
        )
    if holdout is not None and Path(holdout).resolve() == Path(path).resolve():
        raise ProfileError(
            f"holdout: got {Path(holdout).name}, the table itself, from the argument; expected "
            "rows that the model was not fitted on. Outputs out of fold are named with --oof."
        )
    if oof and (holdout is not None or model is not None):
        raise ProfileError(
            "oof: got outputs out of fold beside a holdout or a model from the argument; expected "
            "one source of outputs. Leave out the others."
        )
    table = open_table(path)
    held = None if holdout is None else open_table(holdout)
    _check_target(target, [table, held] if held is not None else [table])
    beside = [] if held is None else [
        name for name in dict.fromkeys((time_column, segment))
        if name in held.names and name not in outputs
    ]  # fmt: skip
    given: Rows | None = None
    if oof:
        _known("oof", oof, table)
        given = _Columns(table, [*oof, *filter(None, dict.fromkeys((time_column, segment)))])
    if model is not None:
        apart = {*drop, *outputs, *oof, target, time_column}
        scorer = Scorer(load_model(model), [n for n in table.names if n not in apart], operation)
        others = [n for n in table.names if n not in scorer.names]
        say(f"columns that are not the model's: {', '.join(others) or 'none'}")
        # In the model's order: rows without names are matched by their place.
        table = _Columns(table, [*scorer.names, *others])
        drop = tuple(others)
        if held is not None:
            tables = _honest(scorer, table, held, target, in_sample=in_sample, say=say)
            given = ScoredRows(tables, scorer, beside)
    elif held is not None:
        _known("outputs", outputs, held)
        given = _Columns(held, [*outputs, *beside])
    also = (*outputs, *oof, *((target,) if target else ()))
    return build(
        table,
        outputs=given,
        drop=tuple(dict.fromkeys((*drop, *(name for name in also if name in table.names)))),
        include=include,
        exclude=exclude,
        time_column=time_column,
        season=season,
        segment=segment,
        source=Path(path).name,
        built=built,
        hash_categories=hash_categories,
        correlation=correlation,
        track=track,
    )


def _check_target(target: str, tables: Sequence[Rows]) -> None:
    for table in tables:
        if target and target not in table.names:
            raise ProfileError(
                f"target: got {target!r} from the argument; expected a column of {table.source}. "
                "Correct the name."
            )


def _known(argument: str, names: Sequence[str], rows: Rows) -> None:
    missing = [name for name in names if name not in rows.names]
    if missing or not names:
        raise ProfileError(
            f"{argument}: got {', '.join(missing) or 'none'} from the argument; expected columns "
            f"of {rows.source}. Name them with --{argument}."
        )


def _honest(
    scorer: Scorer, table: Rows, held: Rows, target: str, *,
    in_sample: bool, say: Callable[[str], None],
) -> list[Rows]:  # fmt: skip
    """Return the tables whose outputs may be counted, and say how good the model is on both."""
    if not target:
        if in_sample:
            raise ProfileError(
                "in_sample: got true without a target from the argument; expected the column with "
                "the right answers, which tells whether outputs in sample are honest. Pass "
                "--target."
            )
        return [held]
    seen, new = scorer.score(table, target), scorer.score(held, target)
    say(f"{scorer.measure} {seen:.3f} on {table.source}, {new:.3f} on {held.source}")
    if not in_sample:
        return [held]
    if abs(seen - new) > MOST_OPTIMISM:
        raise ProfileError(
            f"in_sample: got {scorer.measure} {seen:.3f} on {table.source} and {new:.3f} on "
            f"{held.source}; expected them to differ by {MOST_OPTIMISM} at most. Leave out "
            "--in-sample: such outputs would alarm for ever."
        )
    return [held, table]
