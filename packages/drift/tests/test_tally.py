"""Categories in bounded memory: exact while they are few, the most frequent ones always."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidegauge_drift import tally as module
from tidegauge_drift.category import hash64, text
from tidegauge_drift.tally import Tally

VALUES = st.lists(st.sampled_from(["a", "b", "", 1, 1.0, True, 2.5, None, float("nan"), b"a"]))


def _tally(parts: list[list[object]]) -> Tally:
    tally = Tally()
    while True:
        for part in parts:
            tally.add(part)
        if tally.done():
            return tally


@given(VALUES, VALUES)
def test_counts_are_those_of_the_texts(one: list[object], two: list[object]) -> None:
    """Whatever the parts; missing values are no category."""
    found = _tally([one, two])
    present = [value for value in one + two if value is not None and value == value]  # noqa: PLR0124
    expected = Counter(hash64(text(value)) for value in present)
    codes, counts = found.ordered()

    assert dict(zip(codes.tolist(), counts.tolist(), strict=True)) == expected
    assert (found.present, found.missing) == (len(present), len(one + two) - len(present))
    assert found.distinct == len(expected)
    assert found.singletons == sum(times == 1 for times in expected.values())
    assert counts.tolist() == sorted(counts.tolist(), reverse=True)


def test_the_most_frequent_ones_are_exact_among_very_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit others are estimated, the same in any order."""
    monkeypatch.setattr(module, "DISTINCT", 4_096)
    monkeypatch.setattr(module, "_CLOSER", 512)
    rng = np.random.default_rng(0)
    rare = [f"r{i}" for i in range(60_000)]
    values: list[object] = [
        *rare,
        *rare[:20_000],
        *(f"top{i}" for i in range(100) for _ in range(200 + i)),
    ]
    shuffled = [values[i] for i in rng.permutation(len(values))]
    found = _tally([values])
    other = _tally([shuffled[:50_000], shuffled[50_000:]])
    codes, counts = found.ordered()

    assert codes[:100].tolist() == [hash64(f"top{i}") for i in reversed(range(100))]
    assert counts[:100].tolist() == [200 + i for i in reversed(range(100))]
    assert [a.tolist() for a in other.ordered()] == [codes.tolist(), counts.tolist()]
    assert (other.distinct, other.singletons) == (found.distinct, found.singletons)
    assert found.distinct == pytest.approx(60_100, rel=0.05)
    assert found.singletons == pytest.approx(40_000, rel=0.08)


def test_a_list_is_no_category() -> None:
    """Its column is left out."""
    with pytest.raises(TypeError):
        Tally().add([[1]])
