"""Where the buckets of prediction values end: as a reference's outputs are spread."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tidegauge_drift.profile import NumericFeature

_TENTHS = np.arange(1, 10) / 10
# Bounds are labels that people read: they are rounded by at most this share of the way to the next.
_ROUNDED = 1 / 200
# An even step this close to a decile, in steps, says nothing that the decile does not.
_CLOSE = 1 / 100


def buckets(output: NumericFeature) -> tuple[float, ...]:
    """Return the upper bounds of buckets for the values of one output.

    The deciles, which show how the mass moves, and ten even steps from the minimum to the maximum,
    which show where the tails go. Outputs in [0, 1] may be probabilities: their steps are 0.1.
    Outputs that are a few values over and over have these values as bounds.

    Parameters
    ----------
    output : NumericFeature
        An output of a reference profile.

    Returns
    -------
    tuple of float
        Finite, strictly increasing, at least one and at most 20.

    Notes
    -----
    O(cells). The same reference gives the same bounds in every process. Deciles are those of the
    profile's cells: at most a cell off, and rounded by 0.5 % of the distance to their neighbour.
    """
    edges, low, high = output.edges.values, output.minimum, output.maximum
    cells = output.counts[2:-4]
    atoms = [low if cell == 0 else float(edges[cell - 1]) for cell in output.atoms]
    if cells[list(output.atoms)].sum() == cells.sum():
        return tuple(atoms)
    shares = np.cumsum(cells)[:-1] / cells.sum()
    nearest = np.abs(shares[:, None] - _TENTHS).argmin(axis=0)
    # An atom is a cell that ends right after it; as a bound it stands for itself.
    just_after = {math.nextafter(atom, math.inf): atom for atom in atoms}
    deciles = sorted({just_after.get(float(edge), float(edge)) for edge in edges[nearest]})
    bounds = _rounded(deciles, atoms)
    ends = [1.0] if _is_probable(output) else [low, high]
    bounds += _steps(output, bounds)
    inside = [bound for bound in bounds if bound < ends[-1] and (len(ends) == 1 or bound > low)]
    return tuple(sorted({*inside, *ends}))


def _is_probable(output: NumericFeature) -> bool:
    return output.minimum >= 0 and output.maximum <= 1


def _rounded(deciles: list[float], atoms: list[float]) -> list[float]:
    gaps = np.diff(deciles, prepend=-math.inf, append=math.inf)
    return [
        value if value in atoms else _short(value, min(before, after))
        for value, before, after in zip(deciles, gaps[:-1], gaps[1:], strict=True)
    ]


def _short(value: float, gap: float) -> float:
    """Round a value to the fewest digits that move it by at most 1/200 of a gap."""
    if not 0 < gap < math.inf:
        return value
    return round(value, math.ceil(-math.log10(2 * _ROUNDED * gap))) + 0.0  # no minus before 0


def _steps(output: NumericFeature, taken: list[float]) -> list[float]:
    if _is_probable(output):
        width, steps = 0.1, _TENTHS
    else:
        width = (output.maximum - output.minimum) / 10
        steps = output.minimum + 10 * width * _TENTHS
    if not math.isfinite(10 * width):  # a range above 1.8e308 has no steps
        return []
    rounded = [_short(step, width) for step in steps.tolist()]
    return [s for s in rounded if min(abs(s - bound) for bound in taken) > _CLOSE * width]
