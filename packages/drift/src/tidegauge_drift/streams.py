"""Streaming detectors: one value after the other, until the stream is not what it was.

They are river's (the extra ``streams``), behind one guard. ADWIN is the one for errors. DDM, EDDM
and KSWIN are not for alerting: each raises false alarms by construction (measured:
docs/reference/drift.md).
"""

from __future__ import annotations

import math
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tidegauge.late_import import late_import

if TYPE_CHECKING:
    from collections.abc import Iterable

ADWIN, PAGE_HINKLEY, KSWIN, DDM, EDDM = "adwin", "page_hinkley", "kswin", "ddm", "eddm"
DETECTORS = (ADWIN, PAGE_HINKLEY, KSWIN, DDM, EDDM)
#: Those that take errors only: 0 or 1.
BINARY = frozenset({DDM, EDDM})
#: After an alarm a stream rests so long; then what is normal is learnt anew.
COOL_DOWN_S = 86_400

_ADWIN_DELTA = 0.002
# On values of variance 1: finds changes of the mean from a quarter of it on, with no alarm in three
# million clean values. river's own defaults alarm on every clean stream of such values, and so does
# any threshold with river's forgetting (alpha .9999), under which the sum never moves away from 0.
_PAGE_HINKLEY_DELTA, _PAGE_HINKLEY_THRESHOLD = 0.1, 100.0
# KSWIN costs half a millisecond a value: it gets so many of each call.
_KSWIN_VALUES = 10
_SMALLEST_SCALE = 0.05


class StreamsUnavailableError(ImportError):
    """river is not installed; the message says what to do."""


def load_river() -> None:
    """Import river, which takes a second or more; later calls cost nothing.

    Raises
    ------
    StreamsUnavailableError
        It is not installed, or cannot be imported.
    """
    try:
        with late_import():
            import_module("river.drift.binary")
    except ImportError as error:
        raise StreamsUnavailableError(
            "river: got no such package from the environment; expected it for streaming "
            "detectors. pip install 'tidegauge-drift[streams]'."
        ) from error


class Stream:
    """One detector on one stream; the same values at the same times give the same alarms.

    Parameters
    ----------
    detector : str
        One of ``DETECTORS``.
    centre, scale : float
        Mean and standard deviation of values that are normal: Page-Hinkley sees values less the one
        and divided by the other. Of the others only the order and the range matter: ADWIN's bound
        is for values in [0, 1].

    Raises
    ------
    ValueError
        There is no such detector, or the scale is not above 0.
    StreamsUnavailableError
        river is not installed.

    Notes
    -----
    O(log n) a value and in memory for ADWIN, O(1) for Page-Hinkley, DDM and EDDM, O(100) for KSWIN.
    """

    def __init__(self, detector: str, *, centre: float = 0.0, scale: float = 1.0) -> None:
        if detector not in DETECTORS:
            raise ValueError(
                f"detector: got {detector!r} from the argument; expected one of "
                f"{', '.join(DETECTORS)}. Correct the name."
            )
        if not (math.isfinite(centre) and 0 < scale < math.inf):
            raise ValueError(
                f"centre, scale: got {centre!r}, {scale!r} from the argument; expected a finite "
                "number and one above 0. Take the mean and the standard deviation of the reference."
            )
        load_river()
        self.detector = detector
        self._centre = centre
        self._scale = max(scale, _SMALLEST_SCALE)
        self._river = _make(detector)
        #: Values that the detector has seen since what is normal was last learnt.
        self.seen = 0
        #: Unix seconds of the last alarm; None before the first.
        self.alarmed_s: float | None = None

    def add(self, values: Iterable[float], at_s: float) -> bool:
        """Show the detector values, in their order, and return whether it alarmed.

        Values that are not finite never reach it. During the day after an alarm none does; what
        comes after an alarm in the same call is left out too.

        Raises
        ------
        ValueError
            DDM or EDDM got a value other than 0 and 1.
        """
        if self.rests(at_s):
            return False
        for value in self._shown(values):
            self.seen += 1
            self._river.update(value)
            if self._river.drift_detected:
                self.restart()
                self.alarmed_s = at_s
                return True
        return False

    def _shown(self, values: Iterable[float]) -> list[Any]:
        finite = [float(value) for value in values if math.isfinite(value)]
        if self.detector in BINARY:
            if not set(finite) <= {0.0, 1.0}:
                raise ValueError(
                    f"values: got other values than 0 and 1 from the argument; expected errors for "
                    f"{self.detector}. Use {ADWIN} for values."
                )
            return [value == 1 for value in finite]
        if self.detector == PAGE_HINKLEY:
            return [(value - self._centre) / self._scale for value in finite]
        if self.detector == KSWIN:
            return finite[:: max(1, -(-len(finite) // _KSWIN_VALUES))]
        return finite

    def rests(self, at_s: float) -> bool:
        """Tell whether the day after an alarm is not over yet: that is how long it is shown."""
        return self.alarmed_s is not None and at_s < self.alarmed_s + COOL_DOWN_S

    def restart(self) -> None:
        """Forget what is normal: it is learnt anew from the values that come."""
        self._river = _make(self.detector)
        self.seen = 0


def _make(detector: str) -> Any:
    drift: Any = import_module("river.drift")  # loaded before
    binary: Any = import_module("river.drift.binary")
    if detector == ADWIN:
        return drift.ADWIN(delta=_ADWIN_DELTA)
    if detector == PAGE_HINKLEY:
        return drift.PageHinkley(
            delta=_PAGE_HINKLEY_DELTA, threshold=_PAGE_HINKLEY_THRESHOLD, alpha=1.0
        )
    if detector == KSWIN:
        return drift.KSWIN(seed=0)  # it draws from its own window: the same draws each time
    return binary.DDM() if detector == DDM else binary.EDDM()
