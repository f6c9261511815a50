"""Builds references from files: CSV (also compressed) and Parquet, larger than memory too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidegauge_drift.builder import build, untracked
from tidegauge_drift.profile import ProfileError, ReferenceProfile
from tidegauge_drift.tables import Rows, open_table

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Iterator, Sequence

    from tidegauge_drift.scan import Track


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


def build_file(
    path: str | os.PathLike[str],
    *,
    holdout: str | os.PathLike[str] | None = None,
    outputs: tuple[str, ...] = (),
    drop: tuple[str, ...] = (),
    include: tuple[str, ...] = (),
    exclude: tuple[str, ...] = (),
    time_column: str = "",
    season: str = "",
    built: str = "",
    hash_categories: bool = False,
    track: Track = untracked,
) -> ReferenceProfile:
    """Build a reference profile from a CSV or Parquet file.

    Parameters
    ----------
    path : path
        The model's inputs.
    holdout : path, optional
        Rows that the model was not fitted on, with its outputs for them.
    outputs : names
        Columns of ``holdout`` that are outputs. They are no inputs where ``path`` has them too.
    drop, include, exclude, time_column, season, built, hash_categories, track
        As for ``build``; the file must be in the order of its times.

    Raises
    ------
    ProfileError
        The file cannot be read, as ``build``, or outputs without rows held out.
    """
    if outputs and holdout is None:
        raise ProfileError(
            f"outputs: got {', '.join(outputs)} without a holdout from the argument; expected a "
            "file of rows that the model was not fitted on. Pass --holdout: outputs in sample "
            "would alarm for ever."
        )
    table = open_table(path)
    given = None
    if holdout is not None:
        held = open_table(holdout)
        missing = [name for name in outputs if name not in held.names]
        if missing or not outputs:
            raise ProfileError(
                f"outputs: got {', '.join(missing) or 'none'} from the argument; expected columns "
                f"of {Path(holdout).name}. Name them with --outputs."
            )
        times = [time_column] if time_column in held.names else []
        given = _Columns(held, [*outputs, *times])
    also = tuple(name for name in outputs if name in table.names and name not in drop)
    return build(
        table,
        outputs=given,
        drop=(*drop, *also),
        include=include,
        exclude=exclude,
        time_column=time_column,
        season=season,
        source=Path(path).name,
        built=built,
        hash_categories=hash_categories,
        track=track,
    )
