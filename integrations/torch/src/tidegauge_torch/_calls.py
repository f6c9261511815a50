"""The caller's side of a call: one row is read by torch's own ``tolist``.

That copies the values at a third of what a view for numpy costs alone, whatever the precision and
with gradients too. Several rows go the general way. To keep the tensor and read it later would cost
less and be wrong: whoever changes it in place changes what is recorded, and its version does not
tell of all of that (``inference_mode``, memory that numpy shares).
"""

from __future__ import annotations

from struct import Struct
from typing import Any

from tidegauge.sampling import Answers, Sampler, adapted, sampled
from tidegauge.snapshot import Snapshot

from tidegauge_torch._extract import features, outputs

# A wider row takes longer number by number than as an array.
_MAX_LISTED = 32
_PACK = tuple(Struct(f"{width}d").pack for width in range(_MAX_LISTED + 1))
_NUMBERS = frozenset({float, int, bool})
# Not one row, no columns, no dimension, no memory of its own (sparse, vmap).
_UNLISTED = (ValueError, IndexError, TypeError, RuntimeError)


def sampler(tensor: Any) -> Sampler:
    """Return what reads the input of modules; ``tensor`` is torch's class."""
    general = sampled(features)

    def sample_of(data: Any, stride: int) -> tuple[Snapshot, int, int, int]:
        if (
            stride == 1
            and type(data) is tensor
            and data.is_cpu
            and (size := data.numel()) <= _MAX_LISTED
        ):
            try:
                (row,) = data.tolist()
                if type(row[0]) is float:  # whole numbers are ids
                    return _PACK[size](*row), 1, 0, 1
            except _UNLISTED:
                pass
        return general(data, stride)

    return sample_of


def answers(tensor: Any) -> Answers:
    """Return what reads the result of modules."""
    general = adapted(outputs)

    def outputs_of(result: Any, rows: int, start: int, step: int, _: object = None) -> Snapshot:
        if (
            rows == 1
            and not start
            and type(result) is tensor
            and result.is_cpu
            and (size := result.numel()) <= _MAX_LISTED
        ):
            try:
                (row,) = result.tolist()
                if type(row) is not list:
                    return [row] if type(row) in _NUMBERS else None
                if type(row[0]) is float:
                    return _PACK[size](*row)  # type: ignore[no-any-return]
            except _UNLISTED:
                pass
        return general(result, rows, start, step)

    return outputs_of
