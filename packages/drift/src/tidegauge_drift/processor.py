"""Drift as a processor of predictions: one process alone, or as a member of a group."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from tidegauge import group as groups
from tidegauge import guard
from tidegauge.announce import announce, sinks

from tidegauge_drift import export
from tidegauge_drift.configured import references, totals, usable
from tidegauge_drift.counter import GRACE_S
from tidegauge_drift.evaluator import Evaluator, Listener
from tidegauge_drift.exchange import WAIT_S, Exchange
from tidegauge_drift.leader import Leader
from tidegauge_drift.muting import Muting
from tidegauge_drift.settings import PREVIOUS_WEEK, DriftSettings
from tidegauge_drift.status_files import StatusFiles
from tidegauge_drift.warmup import Warmup
from tidegauge_drift.week import Week
from tidegauge_drift.week_files import WeekFiles, read
from tidegauge_drift.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegauge.batch import Batch, CountPoint, GaugePoint, ModelKey, ValueBounds
    from tidegauge.events import Event
    from tidegauge.group import Group

    from tidegauge_drift.layout import Layout

# Verdicts of many models that are due at once (midnight) are spread over ticks: collections wait
# for the same lock.
_TICK_S = 0.05
# What is shared with the group is written and read so often.
_SHARE_S = 1.0
# Changes that wait to be sent: more come only if nobody can send or keep them for long.
_MAXIMUM_NEWS = 10_000
# More panes of one model than this mean that time moved on without a tick: a replay.
_CROWDED = 12


class DriftProcessor:
    """Compares each model's rows with its reference; see ``PredictionProcessor``.

    The rows of this process become panes in its ``Worker``. Its ``Leader`` makes windows and
    verdicts of them if the process is alone, or of the panes of all processes if it leads a group.

    Parameters
    ----------
    settings : DriftSettings, optional
        Read from the environment if not given.
    listener : callable, optional
        Gets (model, verdict) when a window closes.
    group : Group, optional
        The group of this process if not given.
    **_
        What other processors are built with, such as a clock: times come with batches and ticks.
    """

    def __init__(
        self,
        *,
        settings: DriftSettings | None = None,
        listener: Listener | None = None,
        group: Group | None = None,
        **_: Any,
    ) -> None:
        self._listener = listener
        self._group = group if group is not None else groups.current()
        self._settings = chosen = usable(settings)
        self._budget = export.budget(
            chosen.max_series, len(chosen.windows), chosen.export, correlation=chosen.correlation
        )
        self._references = references(chosen)
        self.reset()

    def reset(self) -> None:
        """Start from zero: this is a forked child. References are only read: they stay."""
        self._worker = Worker(self._find, self._settings.pane_s, self._settings.operation)
        self._leader = Leader(self._settings.pane_s, self._make, self._keep)
        self._exchange: Exchange | None = None
        self._leads = True
        self._shared_s = float("-inf")
        self._away_s: float | None = None
        self._now_s: float | None = None
        self._news: deque[Event] = deque(maxlen=_MAXIMUM_NEWS)
        self._status = StatusFiles()
        self._muting = Muting(everything=self._settings.fleet or bool(self._settings.streams))
        self._weeks = WeekFiles()
        spec = self._settings.warmup
        self._warmup = None if spec is None else Warmup(spec, self._settings)

    def _find(self, key: ModelKey) -> Layout | None:
        return self._references.get(key) if self._references is not None else None

    def _look(self) -> bool:
        return self._references is not None and self._references.look()

    # -- rows ------------------------------------------------------------------------------------

    def on_batch(self, batch: Batch) -> None:
        """Count the rows if they are of the operation that is compared."""
        if self._references is None:
            return
        panes = self._worker.take(batch)
        if self._warmup is not None:
            if self._worker.compares(batch.model):
                self._warmup.drop(batch.model)
            else:
                self._warmup.take(batch)
        if panes and self._leads:
            self._leader.evaluator(batch.model)
        if panes > _CROWDED:
            self._step(float(batch.end_times.max()))

    def value_bounds(
        self, model: ModelKey, operation: str, outputs: tuple[str, ...]
    ) -> ValueBounds | None:
        """Return the buckets of prediction values that the model's reference suggests."""
        if self._settings.operation not in ("", operation):
            return None
        layout = self._find(model)
        return None if layout is None else layout.value_bounds(outputs)

    # -- time ------------------------------------------------------------------------------------

    def on_tick(self, now_s: float) -> None:
        """Load changed references, close panes and windows."""
        if self._references is None:
            return
        with guard.guarded("drift.reload"):
            if self._references.changed(now_s):
                self._reload(int(now_s // self._settings.pane_s) + 1)
        self._step(now_s)

    def on_leave(self, now_s: float) -> None:
        """Publish the rows since the last second: another process judges them."""
        if self._references is not None:
            self._share(now_s, self._worker.close(now_s), last=True)
            self._work()
        if self._warmup is not None:
            self._warmup.end()

    def on_end(self, now_s: float, timeout_s: float) -> None:
        """Judge the windows that a short job never closed."""
        if self._references is None:
            return
        if self._warmup is not None:
            self._warmup.end()
        self._share(now_s, self._worker.close(now_s))
        if self._group.member and not self._group.leads:
            return
        self._leader.work(timeout_s)
        limit = self._worker.close(now_s + GRACE_S + self._settings.pane_s)
        if self._exchange is None:
            panes = self._worker.pop(limit)
        else:
            panes = self._exchange.collect(self._leader.through, limit)
        self._leader.give(limit, panes)
        self._leader.end(timeout_s)
        for evaluator in self._leader.shown:
            if evaluator.week is not None:
                self._weeks.note(evaluator.snapshot.model, evaluator.week, last=True)

    def _reload(self, index: int) -> None:
        self._worker.reload(index)
        self._leader.reload(self._find, index)

    def _step(self, now_s: float) -> None:
        self._muting.now_s = now_s
        closed = self._worker.close(now_s)
        if self._group.member:
            self._away_s = None
            elected = self._group.leads and not self._leads
            if elected or not 0 <= now_s - self._shared_s < _SHARE_S:
                self._shared_s = now_s
                self._share(now_s, closed)
        elif self._is_alone(now_s) and self._leader.is_due(closed):
            self._leader.give(closed, self._worker.pop(closed))
        self._work()

    def _is_alone(self, now_s: float) -> bool:
        """Tell whether this process has no group, or has lost it and is not coming back to it."""
        if self._exchange is not None:
            if self._away_s is None:
                self._away_s = now_s
            if 0 <= now_s - self._away_s < WAIT_S:
                return False
            self._exchange, self._leads = None, True
        return True

    def _work(self) -> None:
        before = self._leader.through
        self._leader.work(_TICK_S)
        through = self._leader.through
        if self._exchange is not None and through is not None and through != before:
            self._exchange.keep_index(through, self._leader.shown)
            self._exchange.settle(through)

    # -- the group -------------------------------------------------------------------------------

    def _share(self, now_s: float, closed: int, *, last: bool = False) -> None:
        """Tell the group what this process has counted, and do the part of it that is due."""
        with guard.guarded("drift.share"):
            if not self._group.member:
                return
            # Another place: somebody has cleared the group's folder, and what was in it is gone.
            if self._exchange is None or self._exchange.place != self._group.worker:
                self._exchange = Exchange(self._group, self._worker, self._settings.pane_s)
                self._leads = False
            exchange = self._exchange
            if self._group.leads:
                if not self._leads:
                    self._take_over(exchange)
                exchange.publish(closed, last=last)
                limit = exchange.due(now_s, closed)
                if self._leader.is_due(limit):
                    self._leader.give(limit, exchange.collect(self._leader.through, limit))
            else:
                self._step_down()
                exchange.follow(closed)
                exchange.publish(closed, last=last)

    def _take_over(self, exchange: Exchange) -> None:
        self._leads = True
        through, models = exchange.models()
        if through is None:  # nobody has led before: what this process has judged alone goes on
            for evaluator in self._leader.shown:
                exchange.keep(evaluator)
            return
        self._leader = Leader(self._settings.pane_s, self._make, self._keep, through)
        for key in models:
            restored = self._leader.evaluator(key)
            if restored is not None:  # its status is this process's from now on, rows or not
                self._status.note(restored)

    def _step_down(self) -> None:
        if self._leads or self._leader.shown:
            self._leads = False
            self._status = StatusFiles()
            self._leader = Leader(self._settings.pane_s, self._make, self._keep)

    def _make(self, key: ModelKey) -> Evaluator | None:
        exchange, layout = self._exchange, self._find(key)
        if layout is None:
            return None
        judged = "" if exchange is None else exchange.layout(key)
        with guard.guarded("drift.mutes"):
            self._muting.look()  # before a restored verdict is shown
        if judged not in ("", layout.digest) and self._look():
            # The leader before this one had noticed a changed file, this process had not.
            self._worker.reload(0)
            layout = self._find(key) or layout
        chosen = self._settings
        evaluator = Evaluator(
            key, layout, chosen.windows, chosen.pane_s,
            budget=self._budget, listener=self._listener,
            totals=totals(chosen, key, layout),
            week=Week() if chosen.baseline == PREVIOUS_WEEK else None,
        )  # fmt: skip
        if exchange is not None:
            exchange.restore(evaluator)
        if evaluator.week is not None and not len(evaluator.week):
            read(key, evaluator.week, layout)
        return evaluator

    def _keep(self, evaluator: Evaluator) -> None:
        """Keep a model's state; only then may anybody hear of it, so that no successor repeats."""
        if self._exchange is None or self._exchange.keep(evaluator):
            self._news.extend(evaluator.news)
            evaluator.news.clear()
            self._status.note(evaluator)
            if evaluator.week is not None:
                self._weeks.note(evaluator.snapshot.model, evaluator.week)
        elif len(evaluator.news) > _MAXIMUM_NEWS:
            del evaluator.news[:-_MAXIMUM_NEWS]

    def tell(self, now_s: float) -> None:
        """Send what has changed, once, and write it down; see ``PredictionProcessor``."""
        self._now_s = now_s
        if self._leader.shown:
            with guard.guarded("drift.mutes"):
                self._muting.look()
        snapshots = [evaluator.snapshot for evaluator in self._leader.shown]
        with guard.guarded("drift.events"):
            while self._news:
                sinks()  # where they cannot be found now, what has changed is told the next time
                announce(self._muting.on_event(self._news.popleft(), snapshots))
        self._status.write(self._settings.windows, now_s, self._muting)
        self._weeks.write()
        if self._warmup is not None:
            self._warmup.tell(now_s, leads=self._group.leads or not self._group.member)

    # -- reading ---------------------------------------------------------------------------------

    def points(self) -> Iterator[GaugePoint | CountPoint]:
        """Yield what the stored verdicts say and what was counted; changes nothing."""
        chosen, shown = self._settings, self._leader.shown
        for evaluator in shown:
            weekly = evaluator.week is not None
            yield from export.points(
                evaluator.snapshot,
                chosen.windows,
                chosen.export,
                weekly=weekly,
                now_s=self._now_s,
            )
            if evaluator.totals is not None:
                yield from evaluator.totals.points()
        yield from self._muting.points([each.snapshot for each in shown], chosen.windows)
