"""How far a model's warm-up is, as a document for ``tidegauge explain``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegauge_drift.status import FORMAT
from tidegauge_drift.warmup_part import alike, covered_s, target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegauge.batch import ModelKey

    from tidegauge_drift.warmup_part import Head
    from tidegauge_drift.window import WindowSpec


def document(
    model: ModelKey,
    heads: Sequence[Head],
    now_s: float,
    windows: Sequence[WindowSpec],
) -> Any:
    """Return the status of a model that has no reference yet.

    ``done_s`` is when it will be learnt if rows go on to come as they did.
    """
    parts, spec = alike(heads), target(heads)
    rows, seconds = sum(head.seen for head in parts), covered_s(parts)
    wait_s = max(0.0, spec.seconds - seconds)
    missing = max(0, spec.rows - rows)
    known = not missing or (rows > 0 and seconds > 0)
    wait_s = max(wait_s, missing * seconds / rows) if missing and known else wait_s
    return {
        "format": FORMAT,
        "model": model.name,
        "version": model.version,
        "role": model.role,
        "reference": {"id": "", "source": "warmup", "built": "", "rows": 0},
        "windows": [{"window": window.label, "open_rows": 0} for window in windows],
        "warmup": {
            "rows": rows,
            "rows_wanted": spec.rows,
            "rows_kept": sum(head.kept for head in parts),
            "hours": round(seconds / 3600, 3),
            "hours_wanted": round(spec.seconds / 3600, 3),
            "processes": len(parts),
            "done_s": round(now_s + wait_s) if known else None,
            # Nothing is learnt by the hour, and each version on cells of its own.
            "season": "",
            "compared_with_live": False,
        },
    }
