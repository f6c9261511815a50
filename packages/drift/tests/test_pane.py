"""Panes: one form, merged in any order, refused when torn or of other counts."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tidegauge_drift.pane import Pane, PaneError, model_digest

KEY = model_digest("fraud", "3")
LAYOUT = b"layout01"


def _pane(counts: list[int], stride: int = 1, index: int = 170) -> Pane:
    pane = Pane(KEY, LAYOUT, index, 10, np.array(counts, np.uint32), sum(counts))
    if sum(counts):
        pane.saw_stride(stride, stride)
    return pane


PANES = st.lists(
    st.builds(_pane, st.lists(st.integers(0, 1000), min_size=3, max_size=3), st.integers(1, 8)),
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
    through = reduce(Pane.merge, [Pane.from_bytes(pane.to_bytes(), LAYOUT) for pane in shuffled])

    assert left.to_bytes() == right.to_bytes() == through.to_bytes()


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


def test_another_layout_is_refused() -> None:
    """Counts of another reference are not added."""
    with pytest.raises(PaneError, match="another layout"):
        Pane.from_bytes(_pane([1]).to_bytes(), b"layout02")
    with pytest.raises(PaneError, match="another model, reference or time"):
        _pane([1]).merge(_pane([1], index=171))


def test_names_and_versions_cannot_be_confused() -> None:
    """("a", "bc") and ("ab", "c") are different models."""
    assert model_digest("a", "bc") != model_digest("ab", "c")
