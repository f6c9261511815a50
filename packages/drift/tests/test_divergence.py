"""KL, Jensen-Shannon and Hellinger against scipy, numpy's histogram and published values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special
from scipy.spatial import distance
from tidegauge_drift import (
    hellinger_distance,
    hellinger_distance_from_counts,
    js_distance,
    js_distance_from_counts,
    kl_divergence,
    kl_divergence_from_counts,
)

if TYPE_CHECKING:
    from random import Random

COUNTS = st.lists(st.integers(0, 500), min_size=2, max_size=30).filter(any)


def samples() -> tuple[np.ndarray, np.ndarray]:
    """Return two samples that overlap."""
    rng = np.random.default_rng(21)
    return rng.gamma(2.0, size=3000), rng.gamma(2.5, size=2000)


def joint(bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Return their shares as numpy bins them."""
    reference, current = samples()
    both = np.concatenate((reference, current))
    p, q = (np.histogram(s, bins, (both.min(), both.max()))[0] / s.size for s in samples())
    return p, q


@pytest.mark.parametrize("bins", [2, 50, 200])
def test_kl_is_relative_entropy_on_joint_bins(bins: int) -> None:
    """KL(current || reference), shares of 0 as 1e-10."""
    p, q = (np.maximum(share, 1e-10) for share in joint(bins))

    found = kl_divergence(*samples(), bins=bins)

    assert found == pytest.approx(float(special.rel_entr(q, p).sum()), rel=1e-12)


def test_kl_uses_fifty_bins() -> None:
    """The default."""
    assert kl_divergence(*samples(), bins=50) == kl_divergence(*samples())


@pytest.mark.parametrize("base", [2, math.e, 10])
def test_js_is_scipys_on_fifty_joint_bins(base: float) -> None:
    """The distance, not its square."""
    expected = distance.jensenshannon(*joint(50), base)

    assert js_distance(*samples(), base=base) == pytest.approx(expected, abs=1e-12)


def test_hellinger_is_the_distance_of_roots_on_fifty_joint_bins() -> None:
    """Over the square root of 2."""
    p, q = joint(50)
    expected = distance.euclidean(np.sqrt(p), np.sqrt(q)) / math.sqrt(2)

    assert hellinger_distance(*samples()) == pytest.approx(expected, abs=1e-12)


def test_hellinger_of_a_published_example() -> None:
    """Printed as .06812 by an independent implementation."""
    found = hellinger_distance_from_counts([16, 18, 16, 14, 12, 12], [16, 16, 16, 16, 16, 8])

    assert found == pytest.approx(0.06812, abs=1e-5)


@given(COUNTS, st.randoms(use_true_random=False))
def test_counts_agree_with_scipy(counts: list[int], random: Random) -> None:
    """All three, with empty bins on either side."""
    other = counts[:]
    random.shuffle(other)
    p, q = np.array(counts) / sum(counts), np.array(other) / sum(other)
    floored = np.maximum(q, 1e-10), np.maximum(p, 1e-10)
    js = math.sqrt(float(special.rel_entr([p, q], (p + q) / 2).sum()) / 2 / math.log(2))

    assert kl_divergence_from_counts(counts, other) == pytest.approx(
        float(special.rel_entr(*floored).sum()), rel=1e-9, abs=1e-12
    )
    assert js_distance_from_counts(counts, other) ** 2 == pytest.approx(js**2, abs=1e-12)
    assert hellinger_distance_from_counts(counts, other) ** 2 == pytest.approx(
        1 - float(np.sqrt(p * q).sum()), abs=1e-12
    )


def test_disjoint_samples_have_the_largest_distance() -> None:
    """1 for base 2 and Hellinger, sqrt(ln 2) for base e; KL is limited by its floor."""
    apart = [0.0, 1.0], [9.0, 10.0]

    assert 1.0 == js_distance(*apart) == hellinger_distance(*apart)
    assert js_distance(*apart, base=math.e) == pytest.approx(math.sqrt(math.log(2)), rel=1e-15)
    assert 20 < kl_divergence(*apart) < -math.log(1e-10)


@pytest.mark.parametrize("current", [[5.0, 6.0], [4.0, 5.0], [np.nextafter(5.0, 6.0), 5.0]])
def test_a_constant_reference_has_the_bins_less_equal_more(current: list[float]) -> None:
    """Half of the rows moved, however little."""
    reference = [5.0, 5.0, 5.0]

    assert kl_divergence(reference, current) == pytest.approx(
        0.5 * math.log(0.5) + 0.5 * math.log(0.5 / 1e-10), rel=1e-9
    )
    assert js_distance(reference, current) == js_distance(current, reference)
    assert js_distance(reference, current) == pytest.approx(
        distance.jensenshannon([0, 1], [0.5, 0.5], 2), abs=1e-12
    )


def test_js_and_hellinger_see_either_sample_as_a_constant() -> None:
    """Two of three rows moved, one of them by less than a joint bin: the same from both ends."""
    constant, other = [5.0, 5.0], [5.0, 5.0 + 1e-6, 9.0]

    for measure in (js_distance, hellinger_distance):
        assert measure(constant, other) == measure(other, constant)
    assert hellinger_distance(other, constant) == pytest.approx(
        math.sqrt(1 - math.sqrt(1 / 3)), abs=1e-12
    )


def test_two_constants() -> None:
    """Equal: 0. Different: as far apart as can be."""
    for measure in (kl_divergence, js_distance, hellinger_distance):
        assert 0.0 == measure([3.0], [3.0, 3.0])
    assert 1.0 == js_distance([3.0], [4.0]) == hellinger_distance([4.0, 4.0], [3.0])
    assert kl_divergence([3.0], [4.0]) == pytest.approx(-math.log(1e-10), rel=1e-8)


def test_denormal_shares_are_shares() -> None:
    """A share that has no half in float64 neither divides by 0 nor gives NaN."""
    counts = [5e-324, 1.0], [0.0, 1.0]

    for measure in (
        kl_divergence_from_counts,
        js_distance_from_counts,
        hellinger_distance_from_counts,
    ):
        assert 0.0 <= measure(*counts) < 1e-150
        assert 0.0 <= measure(*counts[::-1]) < 1e-150


@pytest.mark.parametrize(
    ("call", "kind", "subject"),
    [
        (lambda: js_distance([1], [1], base=1), ValueError, "base: got 1 "),
        (lambda: js_distance([1], [1], base=math.inf), ValueError, "base: got inf "),
        (lambda: js_distance_from_counts([1], [1], base=math.nan), ValueError, "base: got nan "),
        (lambda: kl_divergence([1], [1], bins=0), ValueError, "bins: got 0 "),
        (lambda: kl_divergence([1], [1], bins="9"), TypeError, "bins: got str "),  # type: ignore[arg-type]
    ],
)
def test_wrong_settings_are_refused(
    call: Callable[[], object], kind: type[Exception], subject: str
) -> None:
    """Each is named, with what was given."""
    with pytest.raises(kind, match="expected") as caught:
        call()

    assert str(caught.value).startswith(subject)
