"""A table's file as a whylogs profile: CSV and Parquet, larger than memory too."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tidegauge.features import FeatureSettings

from tidegauge_exporter_whylabs import naming
from tidegauge_exporter_whylabs.columns import sort
from tidegauge_exporter_whylabs.naming import output_column
from tidegauge_exporter_whylabs.sketches import Profile

_PART_ROWS = 65_536
_CSV, _PARQUET = (".csv", ".csv.gz", ".tsv", ".tsv.gz"), (".parquet", ".pq")
#: How the names of tables end.
SUFFIXES = (*_CSV, *_PARQUET)

Track = Callable[..., Iterable[Any]]


def profile(
    path: Path, *, outputs: Collection[str], drop: Collection[str], choice: FeatureSettings,
    now_s: float, track: Track,
) -> bytes:  # fmt: skip
    """Return the profile of a table as the bytes of a file.

    Raises
    ------
    ValueError
        The file can't be read, what reads it is missing, or a column isn't there.
    """
    try:
        found, rows = Profile(int(now_s), now_s), 0
        for part in track(_parts(path), f"profiling {path.name}"):
            _check(path, [*outputs, *drop], part.columns)
            rows += len(part)
            for place, name in enumerate(map(str, part.columns)):
                column = name
                if name in outputs:
                    # A model's only output has no name where it is served.
                    column = output_column(name if len(outputs) > 1 else "")
                elif name in drop or not choice.takes(name):
                    continue
                found.track(column, sort([_array(part.iloc[:, place])], choice))
    except ImportError as error:
        raise ValueError(
            f"{path}: reading it needs pandas and pyarrow; expected both to be installed. "
            "pip install pandas pyarrow"
        ) from error
    except OSError as error:
        raise ValueError(
            f"{path}: got {error.strerror or type(error).__name__!r} while reading the file; "
            "expected a complete table with a header line. Look at it with another program."
        ) from error
    return found.serialize({naming.ROWS_OFFERED: str(rows)})


def _parts(path: Path) -> Iterator[Any]:
    import pandas as pd  # noqa: PLC0415 - a service does not need it

    name = path.name.lower()
    if name.endswith(_CSV):
        separator = "\t" if ".tsv" in name else ","
        # No column becomes an index where rows are longer than the header.
        with pd.read_csv(
            path, sep=separator, chunksize=_PART_ROWS, low_memory=False, index_col=False
        ) as parts:
            while (part := _next(path, parts)) is not None:
                yield part
        return
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    with pq.ParquetFile(path, pre_buffer=False) as file:
        for part in file.iter_batches(_PART_ROWS):
            yield part.to_pandas()


def _next(path: Path, parts: Any) -> Any:
    """Return the next rows, or None."""
    import pandas as pd  # noqa: PLC0415 - as above

    try:
        with warnings.catch_warnings():  # of the process: not kept over a yield
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return next(parts, None)
    except pd.errors.ParserWarning as error:
        raise ValueError(
            f"{path}: got rows with more values than there are names from the file; expected a "
            "name for every column in the first line. Name the columns."
        ) from error


def _check(path: Path, named: Iterable[str], columns: Iterable[Any]) -> None:
    missing = set(named) - set(map(str, columns))
    if missing:
        raise ValueError(
            f"{path}: got no column {', '.join(sorted(missing))} from the file; expected the names "
            "of --outputs and --drop. Correct them."
        )


def _array(column: Any) -> NDArray[Any]:
    if getattr(column.dtype, "kind", "") in "fiu" and not hasattr(column.dtype, "na_value"):
        return column.to_numpy(np.float64)  # type: ignore[no-any-return]
    found = np.empty(len(column), object)
    found[:] = column.tolist()
    return found
