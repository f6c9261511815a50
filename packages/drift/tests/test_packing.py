"""The form of what processes share."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tidegauge_drift.packing import PackingError, digest, narrow, pack, unpack

MAGIC = b"tgtest01"


def test_what_is_packed_comes_back() -> None:
    """A header, arrays of any width, and bytes."""
    arrays: list[NDArray[Any] | bytes] = [
        np.array([1, 2], np.uint16),
        np.array([0.5]),
        b"abc",
        np.zeros(0, np.uint8),
    ]
    header, found = unpack(MAGIC, pack(MAGIC, {"a": [1, None, 0.1]}, arrays))

    assert header == {"a": [1, None, 0.1]}
    assert [array.tolist() for array in found] == [[1, 2], [0.5], list(b"abc"), []]
    assert [array.dtype.str for array in found] == ["<u2", "<f8", "|u1", "|u1"]


@pytest.mark.parametrize(
    "text",
    [b"[1]", b"{", b"{}", b'{"arrays": 1}', b'{"arrays": [["x", 1]]}', b'{"arrays": [["<u2", 9]]}'],
)
def test_a_whole_block_of_another_format_is_refused(text: bytes) -> None:
    """The checksum is right, the header is not."""
    body = MAGIC + len(text).to_bytes(4, "little") + text
    whole = body + blake2b(body, digest_size=8).digest()

    with pytest.raises(PackingError, match="header of another format"):
        unpack(MAGIC, whole)


@pytest.mark.parametrize(
    ("rows", "bits"), [(0, 8), (255, 8), (256, 16), (65_535, 16), (65_536, 32), (2**32, 64)]
)
def test_counts_are_as_narrow_as_rows_allow(rows: int, bits: int) -> None:
    """A count is never above the number of rows."""
    found = narrow(np.array([rows]), rows)

    assert (bits, rows) == (8 * found.itemsize, int(found[0]))


def test_a_digest_is_a_name() -> None:
    """16 hex digits, whatever the text."""
    assert [16, 16] == [len(digest(text)) for text in ("", "\ud800")]
    assert json.dumps(digest("a")).isascii()
