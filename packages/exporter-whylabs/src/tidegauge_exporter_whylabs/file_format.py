"""A profile as the bytes of a file: what whylogs reads, written without a disk.

whylogs itself writes a temporary file for that, which fails exactly where profiles should be kept:
on a full disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

MAGIC = b"WHY1"
# whylogs keeps tags apart from other metadata by how their names begin.
_TAG = "whylogs.tag."
_MILLIS = 1000


def to_bytes(view: Any, proto: Any) -> bytes:
    """Return a view of a profile as the bytes of a file.

    Parameters
    ----------
    view : DatasetProfileView
        Of whylogs; without segments and without metrics of models, which we make none of.
    proto : module
        ``whylogs.core.proto``.
    """
    columns = {name: column.to_protobuf() for name, column in sorted(view.get_columns().items())}
    paths = sorted({path for each in columns.values() for path in each.metric_components})
    places = {path: place for place, path in enumerate(paths)}
    body = bytearray()
    offsets: dict[str, Any] = {}
    for name, column in columns.items():
        offsets[name] = proto.ChunkOffsets(offsets=[len(body)])
        parts = {places[path]: part for path, part in column.metric_components.items()}
        chunk = proto.ChunkMessage(metric_components=parts).SerializeToString()
        kind = proto.ChunkHeader.ChunkType.COLUMN
        body += _delimited(proto.ChunkHeader(type=kind, length=len(chunk))) + chunk
    header = proto.DatasetProfileHeader(
        column_offsets=offsets,
        properties=proto.DatasetProperties(
            dataset_timestamp=_millis(view.dataset_timestamp),
            creation_timestamp=_millis(view.creation_timestamp),
            tags=_named(view.metadata, tags=True),
            metadata=_named(view.metadata, tags=False),
        ),
        length=len(body),
        indexed_metric_paths=dict(enumerate(paths)),
    )
    segments = proto.DatasetSegmentHeader(has_segments=False)
    return b"".join((MAGIC, _delimited(segments), _delimited(header), body))


def _named(metadata: Mapping[str, str], *, tags: bool) -> dict[str, str]:
    return {name: text for name, text in metadata.items() if name.startswith(_TAG) is tags}


def _millis(at: datetime | None) -> int:
    return 0 if at is None else round(at.timestamp() * _MILLIS)


def _delimited(message: Any) -> bytes:
    content: bytes = message.SerializeToString()
    length, prefix = len(content), bytearray()
    while length >= 0x80:  # noqa: PLR2004 - a varint has seven bits a byte
        prefix.append(length & 0x7F | 0x80)
        length >>= 7
    prefix.append(length)
    return bytes(prefix) + content
