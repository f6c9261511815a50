"""What cells look like to a reader: labels of bins, shares on bins of equal width."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tidegauge_drift.report.numeric import display_edges, texts
from tidegauge_drift.report.result import Histogram

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tidegauge_drift.counts import Counts
    from tidegauge_drift.grid import Floats
    from tidegauge_drift.profile import NumericFeature

_TENTHS = 10


def equal_width(feature: NumericFeature, counts: NDArray[np.int64]) -> Counts:
    """Return counts on the cells between the edges that are nearest to ten equal parts."""
    low, high = feature.minimum, feature.maximum
    with np.errstate(all="ignore"):
        wanted = low + (high - low) * np.arange(1, _TENTHS) / _TENTHS
    edges = feature.edges.values
    if edges.size == 0 or not np.isfinite(wanted).all():
        return counts.astype(np.float64)
    nearest = {int(np.abs(edges - w).argmin()) for w in wanted}
    starts = [0, *(cell + 3 for cell in sorted(nearest))]
    return np.add.reduceat(counts, starts).astype(np.float64)


def cell_labels(
    feature: NumericFeature, bins: NDArray[np.uint8], atoms: tuple[int, ...]
) -> list[str]:
    """Return what each bin of PSI holds, the range of its cells; ``atoms`` are bins of one value.

    ``bins`` are those of the cells, from that of -inf to that of +inf.
    """
    # Where each cell begins, from -inf on; those above the maximum begin after it.
    with np.errstate(over="ignore"):  # the largest float has no next one
        beyond = np.nextafter(feature.maximum, np.inf)
    left = np.concatenate(([-np.inf, -np.inf, feature.minimum], feature.edges.values,
                           [beyond] * 3))  # fmt: skip
    single, text = set(atoms), {-np.inf: "", np.inf: "infinity", **texts(left)}
    labels = []
    for place in range(int(bins.max()) + 1):
        members = np.flatnonzero(bins == place)
        first, last = int(members[0]), int(members[-1])
        start = text[float(left[first])]
        if first and int(bins[first - 1]) in single and place not in single:
            start = f"above {text[float(left[first - 1])]}"
        if place in single:
            labels.append(f"exactly {text[float(left[first])]}")
        elif last - first + 1 != members.size:
            labels.append("between frequent values")
        elif first == 0:
            labels.append(f"below {text[float(left[last + 1])]}")
        elif last == bins.size - 1:
            labels.append(start if start.startswith("above") else f"{start} and above")
        else:
            labels.append(f"{start} to {text[float(left[last + 1])]}")
    return labels


def cell_histogram(
    feature: NumericFeature,
    reference: NDArray[np.int64],
    current: NDArray[np.int64],
    values: Floats,
) -> Histogram | None:
    """Return both sides on bins of equal width, rows spread evenly over each cell.

    Counts are those of the cells from -inf to +inf, ``values`` the current ones, ascending.
    """
    p = reference[2:-2]
    ends = np.concatenate(([feature.minimum], feature.edges.values, [feature.maximum]))
    quantiles = np.interp((0.005, 0.5, 0.995), np.cumsum(p) / p.sum(), ends[1:])
    if _whole(feature, values):  # a cell that begins at 2 has nothing between 2 and 3
        quantiles, ends = np.floor(quantiles), np.append(np.ceil(ends[:-1]), ends[-1] + 1) - 0.5
    edges = display_edges(quantiles, values)
    if edges is None:
        return None
    sides = []
    for counts, low, high in (
        (reference, feature.minimum, feature.maximum),
        (current, float(values[0]), float(values[-1])),
    ):
        points = np.concatenate(([min(low, ends[0])], ends, [max(high, ends[-1])]))
        inner = counts[1:-1]
        below = np.concatenate(([0.0], np.cumsum(inner)))
        share = np.interp(edges, points, below / max(1, counts.sum()))
        share_low = share[0] + counts[0] / max(1, counts.sum())
        inside = np.diff(share)
        sides.append(
            (inside.tolist(), float(share_low), float(max(0, 1 - share_low - inside.sum())))
        )
    (a, a_low, a_high), (b, b_low, b_high) = sides
    return Histogram(tuple(edges.tolist()), tuple(a), tuple(b), (a_low, b_low), (a_high, b_high))


def _whole(feature: NumericFeature, values: Floats) -> bool:
    """Tell whether a feature seems to hold whole numbers: its ends and its frequent values are."""
    left = np.concatenate(([feature.minimum], feature.edges.values))
    known = np.concatenate((left[list(feature.atoms)], [feature.minimum, feature.maximum], values))
    return len(feature.atoms) > 0 and bool((known == np.rint(known)).all())
