"""What the correlations of a window's inputs are compared with, made ready."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tidegauge_drift.correlation import correlations, fisher_z, two_of
from tidegauge_drift.profile import NumericFeature
from tidegauge_drift.times import HOUR_OF_WEEK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tidegauge_drift.extras import Extra
    from tidegauge_drift.grid import Floats
    from tidegauge_drift.profile import ReferenceProfile

# A change of Fisher's z that is worth a word: from 0 to .1, from .5 to .57, from .9 to .918.
FLOOR_Z = 0.1
_DAY_S, _WEEK_S = 86_400, 604_800


@dataclass(frozen=True, slots=True)
class Pair:
    """Two inputs, their correlation in the reference and now, and from where on it is news.

    ``now`` is None where it could not be judged.
    """

    first: str
    second: str
    reference: float
    now: float | None
    floor: float


@dataclass(frozen=True, slots=True, eq=False)
class Correlated:
    """The reference's side of each pair of inputs, in the order of ``two_of``.

    ``members`` are the places of the inputs in the layout. ``cycle_s`` is the length of the
    reference's season, 0 without one: its correlations are those of whole cycles.
    """

    names: tuple[str, ...]
    members: tuple[int, ...]
    z: Floats
    rows: Floats
    spreads: Floats
    cycle_s: int

    @property
    def pairs(self) -> int:
        """How many pairs there are."""
        return self.z.size

    def sides(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the places in the layout of the two inputs of each pair."""
        i, j = two_of(len(self.members))
        places = np.array(self.members, np.intp)
        return places[i], places[j]

    def pair(self, place: int, found: Extra) -> Pair:
        """Return one pair as it is in the columns of a verdict."""
        i, j = (int(side[place]) for side in two_of(len(self.names)))
        z, now = float(self.z[place]), float(found["now"][place])
        known = math.isfinite(now)
        up = not known or now >= math.tanh(z)
        return Pair(
            self.names[i], self.names[j], math.tanh(z), now if known else None,
            math.tanh(z + (FLOOR_Z if up else -FLOOR_Z)),
        )  # fmt: skip


def correlated(profile: ReferenceProfile) -> Correlated | None:
    """Return what is known of the profile's inputs; None if it is of no two of them."""
    known = profile.correlation
    if known is None:
        return None
    places = {f.name: i for i, f in enumerate(profile.features) if isinstance(f, NumericFeature)}
    kept = np.array([name in places for name in known.names])
    if kept.sum() < 2:  # noqa: PLR2004 - a correlation takes two
        return None
    width = len(known.names)
    r, rows = correlations(width, known.sums, known.rows)
    i, j = two_of(width)
    both = kept[i] & kept[j]
    names = tuple(name for name in known.names if name in places)
    cycle_s = 0
    if profile.season:
        cycle_s = _WEEK_S if profile.season == HOUR_OF_WEEK else _DAY_S
    return Correlated(
        names, tuple(places[name] for name in names),
        fisher_z(r[both]), rows[both], known.spreads[both], cycle_s,
    )  # fmt: skip
