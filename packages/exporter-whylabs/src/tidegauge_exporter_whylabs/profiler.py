"""Rolling profiles: rows become sketches, one profile a model, version and interval."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
from tidegauge import guard
from tidegauge.batch import Batch, ModelKey
from tidegauge.features import FeatureSettings
from tidegauge.operations import rank

from tidegauge_exporter_whylabs import naming
from tidegauge_exporter_whylabs.backlog import Taken, select
from tidegauge_exporter_whylabs.columns import gather, sort
from tidegauge_exporter_whylabs.naming import ProfileId
from tidegauge_exporter_whylabs.sketches import Profile

#: Rows of calls that ended this long ago have come; what comes later gets a profile of its own.
GRACE_S = 5.0
_MOST_MODELS = 1000
#: Sketches of a column take 15 kB. Keys of requests' bodies, taken for features, never end.
MOST_COLUMNS = 10_000


@dataclass(slots=True)
class Open:
    """A profile that is being filled."""

    key: ModelKey
    id: ProfileId
    end_s: int
    profile: Profile
    operation: str
    hashed: bool = False
    rows_offered: int = 0
    changed: bool = False

    def content(self) -> bytes:
        """Return it as the bytes of a file."""
        return self.profile.serialize(
            {
                naming.MODEL: self.key.name,
                naming.VERSION: self.key.version,
                naming.ROWS_OFFERED: str(self.rows_offered),
                naming.PROFILE_ID: str(self.id),
                **({naming.HASHED: "true"} if self.hashed else {}),
            }
        )


@dataclass(slots=True)
class _Model:
    operation: str
    open: list[Open] = field(default_factory=list)


class Profiler:
    """The open profiles of one process. For one thread.

    Parameters
    ----------
    worker : str
        What tells this process from all others.
    interval_s : int
        How long a profile goes on.
    choice : FeatureSettings
        What takes part.
    """

    def __init__(self, worker: str, interval_s: int, choice: FeatureSettings) -> None:
        self._worker = worker
        self._interval_s = interval_s
        self._choice = choice
        self._models: dict[ModelKey, _Model] = {}
        self._made = 0

    def take(self, waiting: Sequence[Taken], now_s: float) -> None:
        """Add rows to the profiles of their intervals, many rows of a model at once."""
        by_model = sorted(waiting, key=lambda taken: taken.batch.model)
        for key, run in groupby(by_model, key=lambda taken: taken.batch.model):
            with guard.guarded("whylabs.profile"):
                self._take(key, list(run), now_s)

    def _take(self, key: ModelKey, waiting: Sequence[Taken], now_s: float) -> None:
        model = self._model(key, waiting)
        if model is None:
            return
        parts: dict[int, list[Batch]] = {}
        offered: dict[int, float] = {}
        for taken in waiting:
            if taken.batch.operation != model.operation:
                continue  # the same rows again, or those of a time before
            share = taken.rows_offered / max(1, taken.batch.end_times.size)
            for start_s, batch in _by_interval(taken.batch, self._interval_s):
                parts.setdefault(start_s, []).append(batch)
                offered[start_s] = offered.get(start_s, 0) + share * batch.end_times.size
        for start_s, batches in sorted(parts.items()):
            found = self._find(key, model, start_s, now_s)
            found.rows_offered += round(offered[start_s])
            found.changed = True
            for name, arrays in gather(batches, self._choice).items():
                if _has_room(found, name):
                    with guard.guarded("whylabs.column"):
                        found.profile.track(name, sort(arrays, self._choice))

    def _model(self, key: ModelKey, waiting: Iterable[Taken]) -> _Model | None:
        operation = max((taken.batch.operation for taken in waiting), key=rank)
        model = self._models.get(key)
        if model is None:
            if len(self._models) >= _MOST_MODELS:
                guard.once(
                    "whylabs.models", "more than %s models: no profiles of others", _MOST_MODELS
                )
                return None
            model = self._models[key] = _Model(operation)
        elif rank(operation) > rank(model.operation):
            model.operation = operation
        return model

    def _find(self, key: ModelKey, model: _Model, start_s: int, now_s: float) -> Open:
        for found in model.open:
            # What another operation of the same model answers is in another profile.
            if (found.id.start_s, found.operation) == (start_s, model.operation):
                return found
        self._made += 1
        made = Open(
            key,
            ProfileId.of(key, start_s, self._worker, self._made),
            start_s + self._interval_s,
            Profile(start_s, now_s),
            model.operation,
            self._choice.hash_categories,
        )
        model.open.append(made)
        return made

    def due(self, now_s: float) -> list[Open]:
        """Give away the profiles whose time is over."""
        return self._pop(now_s - GRACE_S)

    def all(self) -> list[Open]:
        """Give away all profiles: this process ends."""
        return self._pop(math.inf)

    def changed(self) -> Iterator[Open]:
        """Yield the open profiles with rows that were not yielded before."""
        for model in self._models.values():
            for found in model.open:
                if found.changed:
                    found.changed = False
                    yield found

    def _pop(self, until_s: float) -> list[Open]:
        over: list[Open] = []
        for model in self._models.values():
            over += [found for found in model.open if found.end_s <= until_s]
            model.open = [found for found in model.open if found.end_s > until_s]
        return over


def _has_room(found: Open, name: str) -> bool:
    """Say whether a column is in a profile, or there is room for it."""
    columns = found.profile.columns
    if name in columns or len(columns) < MOST_COLUMNS:
        return True
    guard.once(
        "whylabs.columns",
        "%s: got more than %d columns within a profile; expected at most so many. Further ones "
        "are not profiled. Name features by what they are, not by what a request holds.",
        found.key,
        MOST_COLUMNS,
    )
    return False


def _by_interval(batch: Batch, interval_s: int) -> Iterator[tuple[int, Batch]]:
    starts = batch.end_times // interval_s
    if (starts == starts[0]).all():
        yield int(starts[0]) * interval_s, batch
        return
    for start in np.unique(starts):
        rows = np.flatnonzero(starts == start)
        yield int(start) * interval_s, select(batch, rows)
