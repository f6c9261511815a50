"""whylogs itself: its sketches are filled and read here, and nowhere else is it imported.

The import takes seconds, so it is made when a profile is needed, in the background.

whylogs 1.6.4 fails on text with numpy 2, where its own mapping of types names what is no longer
there; a mapping of ours takes its place. It reports its use to its makers unless a variable was set
before it was imported.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from tidegauge.late_import import late_import
from tidegauge.settings import environment, hand_down

from tidegauge_exporter_whylabs.columns import Column
from tidegauge_exporter_whylabs.file_format import to_bytes

_NO_ANALYTICS = "WHYLOGS_NO_ANALYTICS"
#: Characters of a category that whylogs keeps.
LONGEST_TEXT = 128


class UnreadableError(ValueError):
    """A file is no whylogs profile."""


@cache
def load_whylogs() -> Any:
    """Import whylogs, and tell it first to report nothing; a second call costs nothing."""
    if _NO_ANALYTICS not in environment():
        hand_down(_NO_ANALYTICS, "true")
    with late_import(slow=True):
        import whylogs.core.column_profile  # noqa: PLC0415 - optional, and slow to load
        import whylogs.core.preprocessing  # noqa: PLC0415
        import whylogs.core.schema  # noqa: PLC0415
    return whylogs.core


def are_loaded() -> bool:
    """Say whether whylogs was imported, by whomever."""
    return "whylogs.core.column_profile" in sys.modules


@cache
def _type_mapper() -> Any:
    from whylogs.core.datatypes import (  # noqa: PLC0415 - see load_whylogs
        Fractional,
        Integral,
        StandardTypeMapper,
        String,
    )

    class Text(String):  # type: ignore[misc] # it has no types
        @classmethod
        def _do_match(cls, dtype_or_type: Any, maybe_type: Any = None) -> bool:
            kind = maybe_type or dtype_or_type
            return isinstance(kind, type) and issubclass(kind, str)

    class Mapper(StandardTypeMapper):  # type: ignore[misc] # as above
        def __init__(self) -> None:
            super().__init__()
            self._all_types = [Integral, Fractional, Text]

    return Mapper()


class Profile:
    """A whylogs profile that is being filled.

    Parameters
    ----------
    start_s : int
        The time that it is of, in Unix seconds: WhyLabs' dataset timestamp.
    created_s : float
        When it was begun.
    """

    def __init__(self, start_s: int, created_s: float) -> None:
        self._core = load_whylogs()
        self._start = datetime.fromtimestamp(start_s, UTC)
        self._created = datetime.fromtimestamp(created_s, UTC)
        self._columns: dict[str, tuple[type, Any]] = {}

    @property
    def columns(self) -> Collection[str]:
        """The names of the columns that it has."""
        return self._columns.keys()

    def track(self, name: str, column: Column) -> None:
        """Add a column's rows; the first ones decide what is kept of the column."""
        if name not in self._columns:
            kind = _kind(column)
            schema = self._core.schema.ColumnSchema(kind, type_mapper=_type_mapper())
            made = self._core.column_profile.ColumnProfile(name, schema, 1)
            self._columns[name] = kind, made
        kind, known = self._columns[name]
        whole = kind is not float and column.whole
        known._process_extracted_column(_preprocessed(self._core, column, whole=whole))  # noqa: SLF001 - no public name takes arrays without pandas

    def serialize(self, metadata: Mapping[str, str]) -> bytes:
        """Return the profile as the bytes of a file."""
        view = self._core.DatasetProfileView(
            columns={name: known.view() for name, (_, known) in self._columns.items()},
            dataset_timestamp=self._start,
            creation_timestamp=self._created,
            metadata=dict(metadata),
        )
        return write(view)


def _kind(column: Column) -> type:
    if not column.numbers.size or column.texts or column.true or column.false:
        return str  # of which whylogs keeps how often each value is there
    return int if column.whole else float


def _preprocessed(core: Any, column: Column, *, whole: bool) -> Any:
    found = core.preprocessing.PreprocessedColumn()
    found.len = column.rows
    if column.numbers.size and whole:
        found.numpy.ints = column.numbers.astype("int64")
    elif column.numbers.size:
        found.numpy.floats = column.numbers
    if column.texts:
        found.list.strings = [text[:LONGEST_TEXT] for text in column.texts]
    if column.objects:
        found.list.objs = [None] * column.objects  # counted, never looked at
    found.null_count, found.nan_count = column.missing, column.nan
    found.inf_count = column.infinite
    found.bool_count = column.true + column.false
    found.bool_count_where_true = column.true
    return found


def write(view: Any) -> bytes:
    """Return the view of a profile as the bytes of a file."""
    return to_bytes(view, load_whylogs().proto)


def read(content: bytes) -> Any:
    """Return the view of a profile that was written.

    Raises
    ------
    UnreadableError
        The bytes are of something else, or cut off.
    """
    try:
        return load_whylogs().DatasetProfileView.deserialize(content)
    except Exception as error:  # protobuf, KeyError, OSError ...: whatever the bytes lead it to
        raise UnreadableError(type(error).__name__) from error


def merge(views: Iterable[Any]) -> Any:
    """Return the profile of all rows of some; of one time it is the earliest."""
    merged = None
    for view in views:
        merged = view if merged is None else merged.merge(view)
    return merged
