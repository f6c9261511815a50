"""Tables in parts that fit into memory: frames and arrays, CSV and Parquet files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tidegauge_drift.profile import ProfileError

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Iterator, Sequence

# Rows read at once: the temporaries of 100 numeric columns take 50 MB.
PART_ROWS = 65_536
_PARQUET = (".parquet", ".pq")
_CSV = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
# So much of a CSV file tells how long its rows are.
_HEAD_BYTES = 1_000_000


class Rows(Protocol):
    """A table that can be gone through several times.

    ``named`` is False where the columns have no names of their own; messages name ``source``.
    """

    names: tuple[str, ...]
    named: bool
    source: str

    def parts(self, wanted: Sequence[str], as_text: Collection[str]) -> Iterator[dict[str, Any]]:
        """Yield the wanted columns of some rows after others; some columns as they are written."""
        ...

    def total(self) -> int | None:
        """Return about how many parts there are, if that can be told."""
        ...


class MemoryRows:
    """A pandas or polars DataFrame, or an array of two dimensions; optionally in another order."""

    source = "memory"

    def __init__(self, data: Any, *, what: str = "data") -> None:
        self._data = data
        if isinstance(data, np.ndarray) and data.ndim == 2:  # noqa: PLR2004 - rows and columns
            self.named = False
            self.names = tuple(f"x{j}" for j in range(data.shape[1]))
        elif hasattr(data, "columns") and hasattr(data, "__getitem__"):
            self.named = True
            self.names = tuple(map(str, data.columns))
        else:
            shape = getattr(data, "shape", None)
            got = type(data).__name__ + (f" of shape {shape}" if shape is not None else "")
            raise ProfileError(
                f"{what}: got {got} from the argument; expected a pandas or polars DataFrame or a "
                "two-dimensional array. Reshape one feature with reshape(-1, 1)."
            )

    def parts(
        self,
        wanted: Sequence[str],
        as_text: Collection[str],  # noqa: ARG002 - values in memory are what they are
    ) -> Iterator[dict[str, Any]]:
        """Yield slices of the columns."""
        places = {name: j for j, name in enumerate(self.names)}
        columns = {name: self._column(places[name]) for name in wanted}
        for start in range(0, len(self._data), PART_ROWS):
            stop = start + PART_ROWS
            yield {name: _slice(column, start, stop) for name, column in columns.items()}

    def _column(self, place: int) -> Any:
        if not self.named:
            return self._data[:, place]
        if hasattr(self._data, "iloc"):
            return self._data.iloc[:, place]
        return self._data[self._data.columns[place]]

    def total(self) -> int:
        """Return the number of parts."""
        return -(-len(self._data) // PART_ROWS)

    def ordered(self, order: Any) -> MemoryRows:
        """Return the same rows in another order."""
        data = self._data.iloc[order] if hasattr(self._data, "iloc") else self._data[order]
        return MemoryRows(data)


def _slice(column: Any, start: int, stop: int) -> Any:
    return column.iloc[start:stop] if hasattr(column, "iloc") else column[start:stop]


class CsvRows:
    """A file of comma- or tab-separated values with a header line, compressed or not."""

    named = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self.source = path.name
        self._separator = "\t" if ".tsv" in path.name.lower() else ","
        with _reading(path):
            import pandas as pd  # noqa: PLC0415 - an extra: serving does not need it

            header = pd.read_csv(path, sep=self._separator, nrows=0, dtype=str)
        self.names = tuple(map(str, header.columns))

    def parts(self, wanted: Sequence[str], as_text: Collection[str]) -> Iterator[dict[str, Any]]:
        """Yield the file's rows in order."""
        with _reading(self._path):
            import pandas as pd  # noqa: PLC0415 - as above

            chunks = pd.read_csv(
                self._path, sep=self._separator, chunksize=PART_ROWS, low_memory=False,
                usecols=list(wanted), dtype={name: str for name in wanted if name in as_text},
            )  # fmt: skip
            with chunks:
                for chunk in chunks:
                    yield {name: chunk[name] for name in wanted}

    def total(self) -> int | None:
        """Estimate the number of parts from the length of the first rows."""
        if self._path.suffix == ".gz":
            return None
        with self._path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        rows = head.count(b"\n") * self._path.stat().st_size / max(1, len(head))
        return max(1, round(rows / PART_ROWS))


class ParquetRows:
    """A Parquet file."""

    named = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self.source = path.name
        with _reading(path):
            import pyarrow.parquet as pq  # noqa: PLC0415 - an extra: serving does not need it

            file = pq.ParquetFile(path)
            # The columns of pandas' own index are no data.
            pandas = (file.schema_arrow.pandas_metadata or {}).get("index_columns", ())
            self.names = tuple(name for name in file.schema_arrow.names if name not in pandas)
            self._rows = int(file.metadata.num_rows)

    def parts(
        self,
        wanted: Sequence[str],
        as_text: Collection[str],  # noqa: ARG002 - a column has one type
    ) -> Iterator[dict[str, Any]]:
        """Yield the file's rows in order."""
        with _reading(self._path):
            import pyarrow.parquet as pq  # noqa: PLC0415 - as above

            # Read ahead, pyarrow would keep all that it has read until the file is closed.
            with pq.ParquetFile(self._path, pre_buffer=False) as file:
                for batch in file.iter_batches(PART_ROWS, columns=list(wanted)):
                    yield {name: batch.column(name).to_pandas() for name in wanted}

    def total(self) -> int:
        """Return the number of parts."""
        return -(-self._rows // PART_ROWS)


class _reading:  # noqa: N801 - used as a function
    """Turn what goes wrong while a file is read into one message."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ProfileError):
            return
        if isinstance(error, ImportError):
            raise ProfileError(
                f"{self._path}: reading it needs pandas and pyarrow; expected both to be "
                "installed. pip install 'tidegauge-drift[files]'."
            ) from error
        if isinstance(error, ValueError | OSError | EOFError):
            raise ProfileError(
                f"{self._path}: got {type(error).__name__} while reading the file; expected a "
                "complete table with a header line. Look at it with another program."
            ) from error


def open_table(path: str | os.PathLike[str]) -> Rows:
    """Open a file as rows.

    Raises
    ------
    ProfileError
        The file is missing, of a kind that is not read here, or cannot be parsed, or pandas or
        pyarrow is not installed.
    """
    file = Path(path)
    name = file.name.lower()
    if not name.endswith(_PARQUET + _CSV):
        raise ProfileError(
            f"{file}: got a file of an unknown kind from the argument; expected one of "
            f"{', '.join(_CSV + _PARQUET)}. Convert it."
        )
    if not file.is_file():
        raise ProfileError(
            f"{file}: got no such file from the argument; expected a table. Correct the path."
        )
    return ParquetRows(file) if name.endswith(_PARQUET) else CsvRows(file)
