"""Which correlations have changed, as plain values of a status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tidegauge_drift.correlation import fisher_z
from tidegauge_drift.correlation_judge import DRIFTING

if TYPE_CHECKING:
    from tidegauge_drift.correlated import Correlated
    from tidegauge_drift.extras import Extra

MAXIMUM_PAIRS = 5
_LONGEST_NAME = 200


def changed(reference: Correlated, found: Extra) -> dict[str, Any]:
    """Return the state of the family, and the pairs that have changed most."""
    on = found["detected"] > 0
    differ = on | (found["flagged"] == 1)
    change = np.nan_to_num(np.abs(fisher_z(found["now"]) - reference.z))
    order = np.lexsort((-change, ~on))
    leading = [int(place) for place in order if differ[place]][:MAXIMUM_PAIRS]
    since = found["since"][on]
    return {
        "detected": bool(on.any()),
        "since_s": int(since.min()) if since.size else None,
        "of": int(on.size),
        "judged": int((found["flagged"] >= 0).sum()),
        "drifting": int((found["flagged"] == DRIFTING).sum()),
        "changed": int(differ.sum()),
        "pairs": [
            {
                "features": [pair.first[:_LONGEST_NAME], pair.second[:_LONGEST_NAME]],
                "reference": float(f"{pair.reference:.4g}"),
                "now": None if pair.now is None else float(f"{pair.now:.4g}"),
                "detected": bool(on[place]),
                "since_s": int(found["since"][place]) or None,
            }
            for place in leading
            for pair in [reference.pair(place, found)]
        ],
    }
