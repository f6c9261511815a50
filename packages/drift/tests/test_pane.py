"""Panes: one form, merged in any order, refused when torn or of other counts."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tidegauge.batch import ModelKey
from tidegauge.group.records import NAME
from tidegauge_drift.packing import pack
from tidegauge_drift.pane import Pane, PaneError, model_digest, prefix

MODEL = ModelKey("fraud", "3")
LAYOUT = "0123456789abcdef"


def _pane(
    counts: list[int],
    stride: int = 1,
    *,
    index: int = 170,
    operation: str = "predict",
    layout: str = LAYOUT,
    extra: dict[str, NDArray[Any]] | None = None,
) -> Pane:
    pane = Pane(MODEL, operation, layout, index, 10, np.array(counts, np.uint32), sum(counts))
    pane.add_extra(extra or {})
    if sum(counts):
        pane.saw_stride(stride, stride)
    return pane


def _arrays(kind: type[np.integer[Any]], low: int) -> st.SearchStrategy[NDArray[Any]]:
    return st.lists(st.integers(low, 255), min_size=2, max_size=2).map(lambda v: np.array(v, kind))


EXTRAS = st.fixed_dictionaries(
    {}, optional={"counts": _arrays(np.uint8, 0), "sums": _arrays(np.int64, -255)}
)
PANES = st.lists(
    st.builds(
        _pane,
        st.lists(st.integers(0, 1000), min_size=3, max_size=3),
        st.integers(1, 8),
        extra=EXTRAS,
    ),
    min_size=1,
    max_size=6,
)


@given(PANES, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_merge_is_associative_and_commutative(panes: list[Pane], random: object) -> None:
    """Any order and any bracketing gives the same bytes, through bytes or not."""
    shuffled = panes[:]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    left = reduce(Pane.merge, panes)
    right = reduce(lambda later, pane: pane.merge(later), reversed(shuffled))
    through = reduce(Pane.merge, [Pane.from_bytes(pane.to_bytes()) for pane in shuffled])

    assert left.to_bytes() == right.to_bytes() == through.to_bytes()


def test_arrays_beside_the_counts_add_up_by_name() -> None:
    """Counts widen, sums keep their sign, and what one pane lacks counts as zeros."""
    one = _pane([1], extra={"counts": np.array([255, 1], np.uint8)})
    one.add_extra({"sums": np.array([-5])})
    both = one.merge(_pane([1], extra={"counts": np.array([1, 0], np.uint8)}))
    back = Pane.from_bytes(both.to_bytes())

    assert {"counts": [256, 1], "sums": [-5]} == {k: v.tolist() for k, v in back.extra.items()}
    assert ["uint16", "int64"] == [back.extra[name].dtype.name for name in ("counts", "sums")]
    assert one.extra["counts"].tolist() == [255, 1]


def test_arrays_of_another_size_never_merge() -> None:
    """One that would be broadcast neither."""
    one, other = (_pane([1], extra={"sums": np.zeros(size)}) for size in (1, 3))
    with pytest.raises(PaneError, match="another model, reference or time"):
        one.merge(other)


def test_an_empty_pane_changes_nothing() -> None:
    """No rows, no stride: the neutral element."""
    pane = _pane([1, 2, 3], stride=4)

    assert pane.to_bytes() == pane.merge(_pane([0, 0, 0])).to_bytes()


def test_bytes_come_back_as_they_were() -> None:
    """Header and counts survive."""
    pane = _pane([1, 0, 2**32 - 2], stride=3)
    back = Pane.from_bytes(pane.to_bytes())

    assert pane.key() == back.key()
    assert pane.counts.tolist() == back.counts.tolist()
    assert (pane.rows, 3, 3, 1700) == (back.rows, back.stride_min, back.stride_max, back.start_s)


@given(st.integers(0, 200), st.integers(1, 255))
@settings(deadline=None)
def test_torn_or_changed_bytes_are_refused(place: int, change: int) -> None:
    """Any changed byte and any cut is noticed."""
    content = bytearray(_pane([1, 2, 3]).to_bytes())
    place %= len(content)
    cut = bytes(content[:place])
    content[place] ^= change
    for wrong in (bytes(content), cut):
        with pytest.raises(PaneError, match="torn or of another format"):
            Pane.from_bytes(wrong)


@pytest.mark.parametrize(
    "other",
    [
        _pane([1], index=171),
        _pane([1], operation="predict_proba"),
        _pane([1], layout="fedcba9876543210"),
        _pane([1, 0]),
    ],
)
def test_unequal_panes_never_merge(other: Pane) -> None:
    """Another time, operation, reference or number of cells."""
    with pytest.raises(PaneError, match="another model, reference or time"):
        _pane([1]).merge(other)


def test_a_record_says_whose_it_is() -> None:
    """Each of index, model, layout and operation makes another name, and all names are allowed."""
    panes = [
        _pane([1]), _pane([1], index=-1), _pane([1], operation="Über/alles"),
        _pane([1], layout="fedcba9876543210"),
    ]  # fmt: skip
    names = [pane.name for pane in panes]

    assert len(set(names)) == 4
    assert all(NAME.fullmatch(name) for name in names)
    assert names[1].startswith(prefix(-1))


def test_counts_are_as_wide_as_rows_ask_for() -> None:
    """255 rows fit into a byte a cell; they widen as rows come, on merging too."""
    pane = Pane(MODEL, "predict", LAYOUT, 1, 10, np.zeros(2, np.uint8))
    pane.rows = 255
    pane.add(0, np.array([255, 0]))
    widths = [pane.counts.itemsize]
    pane.rows = 400
    pane.add(1, np.array([145]))
    widths.append(pane.counts.itemsize)
    merged = reduce(Pane.merge, [pane] * 200)

    assert [*widths, merged.counts.itemsize] == [1, 2, 4]
    assert (pane.counts.tolist(), merged.counts.tolist()) == ([255, 145], [51_000, 29_000])


@pytest.mark.parametrize(
    "header", [{}, {"model": 3}, {"model": ["m", "1", "2"]}, {"model": ["m"], "index": "x"}]
)
def test_a_whole_record_of_another_version_is_refused(header: dict[str, object]) -> None:
    """The checksum is right, the content is not."""
    content = pack(b"tgpane03", header, [np.zeros(3, np.uint8)])

    with pytest.raises(PaneError, match="header of another format"):
        Pane.from_bytes(content)


def test_names_and_versions_cannot_be_confused() -> None:
    """("a", "bc") and ("ab", "c") are different models."""
    assert model_digest(ModelKey("a", "bc")) != model_digest(ModelKey("ab", "c"))
