"""Bytes that processes share: a JSON header, arrays of counts, a checksum. No pickle."""

from __future__ import annotations

import hashlib
import json
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Cells = NDArray[np.unsignedinteger[Any]]

_SUM_BYTES = 8
_LENGTH = struct.Struct("<I")


class PackingError(ValueError):
    """Bytes that are torn, changed, or of another format."""


def digest(text: str) -> str:
    """Return the 16 hex digits that stand for a text in keys and names of records."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def narrow(counts: NDArray[Any], rows: int) -> Cells:
    """Return counts in the narrowest integers that the counts of so many rows fit into."""
    return counts.astype(np.min_scalar_type(rows), copy=False)


def pack(magic: bytes, header: dict[str, Any], arrays: Sequence[NDArray[Any] | bytes]) -> bytes:
    """Return one block: magic, header, arrays in their own width (little endian), checksum."""
    blobs, shapes = [], []
    for array in arrays:
        if isinstance(array, bytes):
            blobs.append(array)
            shapes.append(["", len(array)])
        else:
            wide = array.astype(array.dtype.newbyteorder("<"), copy=False)
            blobs.append(wide.tobytes())
            shapes.append([wide.dtype.str, len(wide)])
    text = json.dumps({**header, "arrays": shapes}, separators=(",", ":")).encode()
    body = b"".join((magic, _LENGTH.pack(len(text)), text, *blobs))
    return body + _sum(body)


def unpack(magic: bytes, content: bytes) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    """Return what was packed; bytes come back as arrays of uint8.

    Raises
    ------
    PackingError
        The bytes are torn or changed, or of another format.
    """
    body, found = content[:-_SUM_BYTES], content[-_SUM_BYTES:]
    start = len(magic) + _LENGTH.size
    if len(body) < start or not body.startswith(magic) or _sum(body) != found:
        raise PackingError(
            f"{magic.decode()}: got bytes that are torn or of another format from the record; "
            "expected a whole one. Leave the record out."
        )
    (length,) = _LENGTH.unpack_from(body, len(magic))
    try:
        header = json.loads(body[start : start + length])
        arrays = []
        start += length
        for kind, size in header.pop("arrays"):
            dtype = np.dtype(kind or "u1")
            arrays.append(np.frombuffer(body, dtype, size, start))
            start += size * dtype.itemsize
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise PackingError(
            f"{magic.decode()}: got a header of another format from the record; expected this "
            "version's. Leave the record out."
        ) from error
    return header, arrays


def _sum(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_SUM_BYTES).digest()
