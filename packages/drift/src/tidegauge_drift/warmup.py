"""A reference learnt from the first live rows of a model that has none.

Each process keeps blocks of its rows and makes a part of them from time to time: a profile, no row
leaves the process. Whoever leads adds up the parts of all processes, those that have ended too,
and writes the reference when they are enough. All processes then find the file as any other.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from tidegauge import guard
from tidegauge.operations import rank

from tidegauge_drift import warmup_files as files
from tidegauge_drift.profile import ProfileError
from tidegauge_drift.reservoir import Reservoir, Shape, row_bytes
from tidegauge_drift.status_files import write as write_status
from tidegauge_drift.warmup_part import Head, alike, by_model, combined, covered_s, learn, target
from tidegauge_drift.warmup_spec import MINIMUM_ROWS, SOURCE
from tidegauge_drift.warmup_status import document

if TYPE_CHECKING:
    from tidegauge.batch import Batch, ModelKey, Table

    from tidegauge_drift.profile import ReferenceProfile
    from tidegauge_drift.settings import DriftSettings
    from tidegauge_drift.warmup_spec import WarmupSpec

_logger = logging.getLogger("tidegauge.drift")

# A reference built from a file of so many rows sees dependence as well.
_MOST_ROWS = 20_000
# A killed process loses what it has learnt since its last part: of one turn in so many, or of
# ten minutes.
_TURNS = 20
_LONGEST_TURN_S = 600.0
_SHORTEST_TURN_S = 5.0
# How far it is is said as often as statuses are touched.
_LOOK_S = 60.0
# Seconds of a processor that a value takes to become part of a profile; 1.1e-6 was measured.
_VALUE_S = 1.5e-6
# An ending process may take so long to leave what it has learnt, and to wait for its thread.
_LAST_S = 0.5


class Warmup:
    """The models of this process that have no reference; ``take`` under the drain lock.

    Parameters
    ----------
    spec : WarmupSpec
        What is enough.
    settings : DriftSettings
        What takes part in drift, and the memory that the rows of all models may take.
    """

    def __init__(self, spec: WarmupSpec, settings: DriftSettings) -> None:
        self._spec = spec
        self._settings = settings
        self._lock = threading.Lock()
        self._models: dict[ModelKey, Reservoir] = {}
        self._turns: dict[ModelKey, tuple[float, int]] = {}  # when, and what was seen by then
        self._widest = 1
        self._worker = secrets.token_hex(6)
        self._thread: threading.Thread | None = None
        self._looked_s = float("-inf")
        self._ending = False

    # -- rows ------------------------------------------------------------------------------------

    def take(self, batch: Batch) -> None:
        """Keep rows of a model that has no reference yet."""
        features, fixed = batch.features, self._settings.operation
        if features is None or not features.rows or fixed not in ("", batch.operation):
            return
        with self._lock:
            found = self._models.get(batch.model)
            if found is not None and rank(batch.operation) < rank(found.shape.operation):
                return
            shape = Shape.of(batch, features)
            if found is not None and found.shape != shape:
                found.skipped += features.rows
                higher = rank(batch.operation) > rank(found.shape.operation)
                if not higher and found.skipped <= found.seen:
                    guard.once(
                        "drift.warmup.shape",
                        "%s: rows of other columns than those before are not learnt from.",
                        batch.model,
                    )  # fmt: skip
                    return
                found = None  # most rows are of this shape
            if found is None:
                found = self._begin(batch, features, shape)
            else:
                found.weigh(features, batch.outputs)
                room = self._settings.warmup_bytes // len(self._models) // found.row_bytes
                if room < MINIMUM_ROWS:  # texts that are far longer than those at the beginning
                    del self._models[batch.model]
                    self._wait(len(self._models) + 1)
                    found = None
            if found is not None:
                found.add(batch, features, self._capacity(found))

    def _begin(self, batch: Batch, features: Table, shape: Shape) -> Reservoir | None:
        size = row_bytes(features, batch.outputs)
        widest = max(self._widest, size)
        models = len(self._models.keys() | {batch.model})
        if self._settings.warmup_bytes // models // widest < 2 * MINIMUM_ROWS:
            self._wait(models)
            return None
        self._widest = widest
        self._turns.pop(batch.model, None)
        found = self._models[batch.model] = Reservoir(shape, size)
        return found

    def _wait(self, models: int) -> None:
        guard.once(
            "drift.warmup.memory",
            "TIDEGAUGE_WARMUP_BYTES: got %d from the settings; expected enough for %d rows of "
            "each of %d models. Models wait until others have learnt their reference; raise it "
            "to learn all at once.",
            self._settings.warmup_bytes, 2 * MINIMUM_ROWS, models,
        )  # fmt: skip

    def _capacity(self, reservoir: Reservoir) -> int:
        room = self._settings.warmup_bytes // len(self._models) // reservoir.row_bytes
        return max(MINIMUM_ROWS, min(room, max(_MOST_ROWS, 2 * self._spec.rows)))

    def drop(self, model: ModelKey) -> None:
        """Forget the rows of a model that has a reference."""
        if model in self._models:
            with self._lock:
                self._models.pop(model, None)

    # -- time ------------------------------------------------------------------------------------

    def tell(self, now_s: float, *, leads: bool) -> None:
        """Leave what is due to a thread of its own: building a profile takes seconds."""
        if self._ending:
            self._ending = False
            self._last(now_s)
            return
        running = self._thread is not None and self._thread.is_alive()
        if running or 0 <= now_s - self._looked_s < min(_LOOK_S, self._turn_s):
            return
        self._looked_s = now_s
        thread = threading.Thread(
            target=self.step, args=(now_s,), kwargs={"leads": leads},
            name="tidegauge-warmup", daemon=True,
        )  # fmt: skip
        with suppress(RuntimeError):  # the interpreter ends: the last of all writes what is left
            thread.start()
            self._thread = thread

    def wait(self, timeout_s: float) -> None:
        """Wait for what runs in the thread."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    def end(self) -> None:
        """Leave to the processes after this one what it has learnt, at the next ``tell``."""
        self._ending = True

    @property
    def _turn_s(self) -> float:
        return min(_LONGEST_TURN_S, max(_SHORTEST_TURN_S, self._spec.seconds / _TURNS))

    def _last(self, now_s: float) -> None:
        self.wait(_LAST_S)
        if self._thread is not None and self._thread.is_alive():
            return  # it is writing what is to be written
        deadline = time.monotonic() + _LAST_S
        for model, reservoir in self._current().items():
            columns = reservoir.shape.width + len(reservoir.shape.outputs)
            if time.monotonic() + reservoir.kept * columns * _VALUE_S < deadline:
                self._learn(model, reservoir, now_s)

    def _current(self) -> dict[ModelKey, Reservoir]:
        with self._lock:
            return dict(self._models)

    def step(self, now_s: float, *, leads: bool) -> None:
        """Make the parts that are due; if this process leads, look whether they are enough."""
        with guard.guarded("drift.warmup"):
            known = by_model(files.heads())
            for model, reservoir in self._current().items():
                if files.is_learnt(model):
                    self.drop(model)
                    continue
                self._align(reservoir, known.get(model, []))
                at_s, _ = self._turns.get(model, (float("-inf"), 0))
                if not 0 <= now_s - at_s < self._turn_s:
                    self._learn(model, reservoir, now_s)
            if leads:
                self._conclude(now_s)

    def _align(self, reservoir: Reservoir, heads: list[Head]) -> None:
        """Keep rows in the share that other processes keep: only such parts can be added."""
        shares = [
            head.share
            for head in heads
            if head.worker != self._worker and head.operation == reservoir.shape.operation
        ]
        if shares:
            with self._lock:
                reservoir.thin_to(min(shares))

    def _head(self, model: ModelKey, reservoir: Reservoir) -> Head:
        return Head(
            model, reservoir.shape.operation, self._worker,
            self._spec, reservoir.kept, reservoir.seen, reservoir.served,
            tuple((first, last) for first, last in reservoir.intervals),
        )  # fmt: skip

    def _learn(self, model: ModelKey, reservoir: Reservoir, now_s: float) -> None:
        with self._lock:
            head, rows = self._head(model, reservoir), reservoir.rows()
        _, seen = self._turns.get(model, (0.0, 0))
        if rows.kept < MINIMUM_ROWS or head.seen == seen or files.is_learnt(model):
            return
        self._turns[model] = (now_s, head.seen)
        chosen = self._settings
        try:
            profile = learn(
                rows, include=chosen.include, exclude=chosen.exclude, hashed=chosen.hash_categories
            )
        except ProfileError as error:
            guard.once(
                f"drift.warmup.{model.name}",
                "%s: no reference can be learnt: %s It is tried again with more rows.",
                model, error,
                level=logging.ERROR,
            )  # fmt: skip
        except Exception as error:
            guard.once(
                "drift.warmup.learn",
                "%s: a fault of Tidegauge (%s) while a reference was learnt; it is tried again "
                "with more rows.",
                model, type(error).__name__,
                level=logging.ERROR, error=error,
            )  # fmt: skip
        else:
            files.write_part(head, profile)

    # -- the leader's part -----------------------------------------------------------------------

    def _conclude(self, now_s: float) -> None:
        found = by_model(files.heads())
        for model, parts in found.items():
            with guard.guarded("drift.warmup.conclude"):
                if files.is_learnt(model):
                    files.remove(parts)
                elif self._is_enough(parts):
                    self._finish(model, parts)
                elif len(parts) > files.MAXIMUM_PARTS:
                    parts.sort(key=lambda head: head.intervals)
                    # A living process writes its part again.
                    files.remove(parts[::2])
        own = self._current()
        for model in {**own, **found}:  # a key of its own also knows its role
            if not files.is_learnt(model):
                others = [h for h in found.get(model, []) if h.worker != self._worker]
                mine = [self._head(model, own[model])] if model in own else []
                status = document(model, others + mine, now_s, self._settings.windows)
                write_status(model, status, now_s)

    def _is_enough(self, heads: list[Head]) -> bool:
        parts = alike(heads)
        wanted = target(heads)
        return (
            sum(head.seen for head in parts) >= wanted.rows
            and sum(head.kept for head in parts) >= MINIMUM_ROWS
            and covered_s(parts) >= wanted.seconds
        )

    def _finish(self, model: ModelKey, heads: list[Head]) -> None:
        read = [files.read_part(head) for head in alike(heads)]
        parts = [part for part in read if part is not None]
        if not parts or not self._is_enough([head for head, _ in parts]):
            return
        hours = covered_s([head for head, _ in parts]) / 3600
        profile = self._combined(model, parts, heads, f"{SOURCE}{hours:.3g} h")
        if files.claim(model, profile):
            files.remove(heads)
            _logger.info(
                "%s: a reference was learnt from %d live rows of %.3g hours.",
                model, profile.rows, hours,
            )  # fmt: skip
            wanted = target(heads).rows
            if profile.rows < wanted:
                _logger.warning(
                    "TIDEGAUGE_WARMUP_BYTES: got %d from the settings, which had room for %d of "
                    "the %d rows that TIDEGAUGE_REFERENCE asks for. The reference has those.",
                    self._settings.warmup_bytes, profile.rows, wanted,
                )  # fmt: skip

    def _combined(
        self,
        model: ModelKey,
        parts: list[tuple[Head, ReferenceProfile]],
        heads: list[Head],
        source: str,
    ) -> ReferenceProfile:
        try:
            return combined(parts, heads, source)
        except ProfileError as error:
            largest = max(parts, key=lambda part: part[0].seen)
            _logger.warning(
                "%s: what processes have learnt cannot be added: %s The reference is that of "
                "the one with the most rows.",
                model, error,
            )  # fmt: skip
            return combined([largest], heads, source)
