"""What the watcher has scraped: each series as far back as a window reaches."""

from __future__ import annotations

import logging
import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from tidegauge_exporter_prometheus.naming import label_name

from tidegauge_alerting.watch.vector import Labels, Vector, increase

if TYPE_CHECKING:
    from tidegauge_alerting.measures import Where

_logger = logging.getLogger("tidegauge.watch")

#: Prometheus's own: 1 where a target answered the last scrape.
UP = "up"
#: A value older than this is none any more, as in Prometheus.
LOOKBACK_S = 300.0

# 500 models of 100 features have about 100,000 series that an alert reads.
_MOST_SERIES = 200_000
# A front of old samples is cut off once it is this long: each cut moves all that stay.
_CUT = 32


class Sample(NamedTuple):
    """One value of a series; ``labels`` are sorted and none is empty."""

    name: str
    labels: Labels
    value: float


@dataclass(slots=True)
class Track:
    """One series: times in Unix seconds, and values; NaN where it was gone."""

    labels: Labels
    target: Labels
    times: array[float] = field(default_factory=lambda: array("d"))
    values: array[float] = field(default_factory=lambda: array("d"))

    def add(self, at_s: float, value: float) -> None:
        """Add a sample; one that is not later than the last is none."""
        if not self.times or at_s > self.times[-1]:
            self.times.append(at_s)
            self.values.append(value)

    def forget(self, before_s: float) -> None:
        """Let go of old samples."""
        old = bisect_left(self.times, before_s)
        if old >= _CUT:
            del self.times[:old]
            del self.values[:old]

    def at(self, at_s: float) -> float:
        """Return the value at a time, NaN where there is none."""
        last = bisect_right(self.times, at_s) - 1
        if last < 0 or self.times[last] < at_s - LOOKBACK_S:
            return math.nan
        return self.values[last]

    @property
    def present(self) -> bool:
        """Whether the last scrape had it."""
        return bool(self.values) and not math.isnan(self.values[-1])


Tracks: TypeAlias = dict[Labels, Track]


class History:
    """The series that some alerts read; bounded in series, and in time by what each alert needs.

    Parameters
    ----------
    keep_s
        Sample name -> how far back it is read. No other name is kept.
    most
        So many series are kept; those that come later are left out, with one warning.
    """

    def __init__(self, keep_s: Mapping[str, float], most: int = _MOST_SERIES) -> None:
        self.keep_s = {UP: 0.0, **keep_s}
        self._most = most
        self._names: dict[str, Tracks] = {name: {} for name in self.keep_s}
        self._of: dict[Labels, dict[tuple[str, Labels], Track]] = {}
        self._full = False
        #: Since when there has been no gap that hides what happened, and when the last scrape was.
        self.since_s: float | None = None
        self.last_s: float | None = None
        #: Targets that have shown what an alert on their reachability asks for.
        self.known: set[Labels] = set()

    @property
    def names(self) -> Collection[str]:
        """The names of the series that are kept."""
        return self.keep_s.keys()

    def begin(self, at_s: float) -> None:
        """Begin a round of scrapes."""
        if self.last_s is None or at_s - self.last_s > LOOKBACK_S:
            self.since_s = at_s
        self.last_s = at_s

    def covers(self, window_s: float, at_s: float) -> bool:
        """Whether what happened in the window before a time is known without a gap."""
        return self.since_s is not None and at_s - self.since_s >= window_s

    def add(self, at_s: float, target: Labels, samples: Iterable[Sample] | None) -> None:
        """Add one scrape of a target, its labels in all of its samples; None is one that failed.

        What a target showed before and does not show now is gone.
        """
        for name, labels, value in samples or ():
            if name in self.keep_s and name != UP:
                self._put(at_s, name, labels, value, target)
        # Of the target's own alone: with many targets the others' are many more.
        for track in self._of.get(target, {}).values():
            if track.present:
                track.add(at_s, math.nan)
        self._put(at_s, UP, target, 0.0 if samples is None else 1.0, target)

    def put(self, at_s: float, sample: Sample) -> None:
        """Add one sample as it is; NaN is the end of its series."""
        self._put(at_s, sample.name, sample.labels, sample.value, ())

    def put_track(self, name: str, track: Track) -> None:
        """Take back a series that an earlier process has kept."""
        if track.times:
            self._take(name, track)

    def forget(self, now_s: float) -> None:
        """Let go of what no alert can read any more."""
        for name, tracks in self._names.items():
            before_s = now_s - self.keep_s[name] - LOOKBACK_S
            for track in [each for each in tracks.values() if each.times[-1] < before_s]:
                del tracks[track.labels]
                self._of.get(track.target, {}).pop((name, track.labels), None)
            for track in tracks.values():
                track.forget(before_s)

    def tracks(self, name: str, where: Sequence[Where] = ()) -> Iterator[Track]:
        """Yield the series of a name whose labels have the given values."""
        wanted = [(label_name(each.attribute), each.values) for each in where]
        for track in self._names.get(name, {}).values():
            labels = dict(track.labels) if wanted else {}
            if all(labels.get(key, "") in values for key, values in wanted):
                yield track

    def last(self, name: str, at_s: float, where: Sequence[Where] = ()) -> Vector:
        """Return the values at a time."""
        found = ((track.labels, track.at(at_s)) for track in self.tracks(name, where))
        return {labels: value for labels, value in found if not math.isnan(value)}

    def increases(
        self, name: str, at_s: float, window_s: float, where: Sequence[Where] = ()
    ) -> Vector:
        """Return the increase of each counter in the window before a time."""
        found = {
            track.labels: increase(track.times, track.values, at_s - window_s, at_s)
            for track in self.tracks(name, where)
        }
        return {labels: value for labels, value in found.items() if value is not None}

    def _put(self, at_s: float, name: str, labels: Labels, value: float, target: Labels) -> None:
        tracks = self._names[name]
        track = tracks.get(labels)
        if track is None:
            if name != UP and self._size() >= self._most:
                self._say_full()
                return
            track = Track(labels, target)
            self._take(name, track)
        track.add(at_s, value)

    def _take(self, name: str, track: Track) -> None:
        self._names[name][track.labels] = track
        if name != UP:
            self._of.setdefault(track.target, {})[name, track.labels] = track

    def _size(self) -> int:
        return sum(len(tracks) for name, tracks in self._names.items() if name != UP)

    def _say_full(self) -> None:
        if not self._full:
            self._full = True
            _logger.warning(
                "series: got more than %d from the targets; expected at most so many. Further ones "
                "are not judged. Watch fewer targets with each process, or limit what they show "
                "(TIDEGAUGE_DRIFT_MAX_SERIES).",
                self._most,
            )
