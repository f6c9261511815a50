"""Tables in parts that fit into memory: frames and arrays, CSV and Parquet files."""

from __future__ import annotations

import warnings
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
# What else stands between the names of a file that is called .csv.
_OTHER_MARKS = (";", "\t", "|")
# What these say is about the file's form, with lines and bytes; others may quote a row.
_FORM = ("ParserError", "EmptyDataError", "ArrowInvalid")


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
        self._even = False
        other = next((mark for mark in _OTHER_MARKS if mark in self.names[0]), None)
        if len(self.names) == 1 and other is not None and other != self._separator:
            raise ProfileError(
                f"{path}: got one column, {self.names[0]!r}, from the file's first line; expected "
                f"names with {self._separator!r} between them. Write the table so (a file with "
                "tabs may be named .tsv), and numbers with a decimal point."
            )

    def parts(self, wanted: Sequence[str], as_text: Collection[str]) -> Iterator[dict[str, Any]]:
        """Yield the file's rows in order."""
        with _reading(self._path):
            import pandas as pd  # noqa: PLC0415 - as above

            # Of chosen columns pandas takes rows that are too long as they are, and puts the values
            # after a stray comma under the wrong names. So the first time all columns are read, and
            # none becomes an index because the rows are longer than the header.
            chunks = pd.read_csv(
                self._path, sep=self._separator, chunksize=PART_ROWS, low_memory=False,
                usecols=list(wanted) if self._even else None, index_col=False,
                dtype={name: str for name in wanted if name in as_text},
            )  # fmt: skip
            with chunks:
                while (chunk := self._next(chunks)) is not None:
                    yield {name: chunk[name] for name in wanted}
            self._even = True

    def _next(self, chunks: Any) -> Any:
        """Return the next rows, or None."""
        # Filters of warnings belong to the process: they are not kept over a yield.
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            chunk = next(chunks, None)
        if any("loss of data" in str(warning.message) for warning in caught):
            raise ProfileError(
                f"{self._path}: got rows with more values than there are names from the file; "
                "expected a name for every column in the first line. Name the columns."
            )
        return chunk

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
        if isinstance(error, UnicodeDecodeError):
            raise ProfileError(
                f"{self._path}: got bytes that are not UTF-8 from the file; expected text in "
                "UTF-8. Write it in UTF-8, as `iconv -f latin1 -t utf-8` does for one encoding."
            ) from error
        if isinstance(error, ValueError | OSError | EOFError):
            kind_ = type(error).__name__
            why = " (" + " ".join(str(error).split()).rstrip(".") + ")" if kind_ in _FORM else ""
            raise ProfileError(
                f"{self._path}: got {kind_}{why} while reading the file; expected a complete "
                "table with a header line. Put the file right, or write it again."
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
