"""What a leader leaves to its successor: an evaluator as bytes, versioned and checksummed."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from tidegauge import guard

from tidegauge_drift import extras
from tidegauge_drift.correlation_judge import check_pairs
from tidegauge_drift.evaluator import Evaluator
from tidegauge_drift.packing import PackingError, pack, unpack
from tidegauge_drift.rivals import Rivals
from tidegauge_drift.schema import Schema
from tidegauge_drift.snapshot import Closed, Snapshot
from tidegauge_drift.verdict import WindowVerdict
from tidegauge_drift.window import Baseline, ClosedWindow, Tumbler, WindowSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tidegauge_drift.extras import Extra
    from tidegauge_drift.packing import Cells
    from tidegauge_drift.week import Week

_MAGIC = b"tgdrift2"
_WINDOW = ("opened_s", "closed_s", "rows", "stride_min", "stride_max", "a_month", "hours")


class StateError(ValueError):
    """Bytes that are no evaluator's, or one's of other settings."""


def dump(evaluator: Evaluator) -> bytes:
    """Return all that the verdicts to come depend on, and the last ones."""
    snapshot = evaluator.snapshot
    calls = evaluator.likeness.state()
    arrays: list[NDArray[Any] | bytes] = [array.ravel() for array in calls.values()]
    header = {
        "layout": snapshot.layout.digest,
        "operation": evaluator.operation,
        "first": evaluator.first,
        "calls": [snapshot.layout.events_digest, *calls],
        "pane_s": evaluator.pane_s,
        "windows": [spec.label for spec in evaluator.windows],
        "members": snapshot.members,
        "schema": evaluator.schema.state(),
        "open": [_open(tumbler, arrays) for tumbler in evaluator.tumblers],
        "closed": [
            [_closed(each, arrays) for each in snapshot.closed.get(spec, ())]
            for spec in evaluator.windows
        ],
        "role": snapshot.role,
        "versus": [
            None if spec not in snapshot.versus else _closed(snapshot.versus[spec], arrays)
            for spec in evaluator.windows
        ],
        "rivals": None if evaluator.rivals is None else _rivals(evaluator.rivals, arrays),
        "week": None if evaluator.week is None else _week(evaluator.week, arrays),
        "totals": evaluator.totals is not None,
    }
    if evaluator.totals is not None:
        arrays.append(evaluator.totals.to_bytes())
    return pack(_MAGIC, header, arrays)


def _rivals(rivals: Rivals, arrays: list[NDArray[Any] | bytes]) -> list[dict[str, list[int]]]:
    found = rivals.state()
    arrays += [each for _, counts in found for each in counts]
    return [rows for rows, _ in found]


def _week(week: Week, arrays: list[NDArray[Any] | bytes]) -> dict[str, Any]:
    state, counts = week.open_state()
    return {**state, "counts": _put(counts, arrays)}


def _open(tumbler: Tumbler, arrays: list[NDArray[Any] | bytes]) -> dict[str, Any]:
    state, counts, extra = tumbler.state()
    return {**state, "counts": _put(counts, arrays), "extra": _put_extra(extra, arrays)}


def _closed(closed: Closed, arrays: list[NDArray[Any] | bytes]) -> dict[str, Any]:
    window = {name: getattr(closed.window, name) for name in _WINDOW}
    window["counts"] = _put(closed.window.counts, arrays)
    window["extra"] = _put_extra(closed.window.extra, arrays)
    baseline = closed.window.baseline
    if baseline is not None:
        window["baseline"] = {
            "alarmed": baseline.alarmed, "version": baseline.version, "rows": baseline.rows,
            "pairs": baseline.pairs,
            "counts": _put(baseline.counts, arrays),
        }  # fmt: skip
    arrays.append(closed.verdict.table.tobytes())
    verdict = {
        **closed.verdict.state(),
        "extra": _put_extra(closed.verdict.extra, arrays),
        "pairs": _put_extra(closed.verdict.pairs, arrays),
    }
    return {"window": window, "verdict": verdict}


def _put(counts: NDArray[Any] | None, arrays: list[NDArray[Any] | bytes]) -> bool:
    if counts is not None:
        arrays.append(counts)
    return counts is not None


def _put_extra(extra: Extra, arrays: list[NDArray[Any] | bytes]) -> list[str]:
    arrays += extras.arrays(extra)
    return extras.names(extra)


def layout_of(content: bytes) -> str:
    """Return the digest of the layout that the bytes are of, empty where they are no state."""
    try:
        return str(unpack(_MAGIC, content)[0].get("layout", ""))
    except PackingError:
        return ""


def restore(evaluator: Evaluator, content: bytes) -> None:
    """Let a new evaluator go on where another one stood when it was dumped.

    If the windows were of another reference than the evaluator's, they start anew at the next pane.

    Raises
    ------
    StateError
        The bytes are torn or of another format, or of other windows or panes; nothing has changed.
    """
    try:
        header, arrays = unpack(_MAGIC, content)
        _check(evaluator, header)
        operation, first = str(header["operation"]), header["first"]
        snapshot = evaluator.snapshot
        totals = arrays[-1].tobytes() if header["totals"] else None
        if header["layout"] != snapshot.layout.digest:
            evaluator.resume(operation, first, (), snapshot)
            _restore_calls(evaluator, header["calls"], deque(arrays))
            _restore_totals(evaluator, totals)
            return
        rest = deque(arrays)
        calls = deque(rest.popleft() for _ in header["calls"][1:])
        tumblers = tuple(
            Tumbler.restored(
                spec, evaluator.pane_s, state, _get(state, rest), _get_extra(state, rest)
            )
            for spec, state in zip(evaluator.windows, header["open"], strict=False)
        )
        closed = {
            spec: tuple(_restored(evaluator, spec, state, rest) for state in states)
            for spec, states in zip(evaluator.windows, header["closed"], strict=True)
            if states
        }
        versus = {
            spec: _restored(evaluator, spec, state, rest)
            for spec, state in zip(evaluator.windows, header["versus"], strict=True)
            if state is not None
        }
        rivals = None if header["rivals"] is None else Rivals(evaluator.windows)
        if rivals is not None:
            for spec, rows in zip(evaluator.windows, header["rivals"], strict=True):
                rivals.go_on(spec, rows, [_own(rest) for _ in rows])
        week = evaluator.week
        if week is not None:
            week = week.copy()
            week.go_on(header["week"], _get(header["week"], rest))
        members = {str(name): int(outside) for name, outside in header["members"].items()}
        schema = Schema(evaluator.pane_s)
        schema.resume(header["schema"])
    except StateError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise StateError(str(error)) from error
    snapshot = Snapshot(
        snapshot.model, snapshot.layout, closed, members, str(header["role"]), versus,
        schema.differences(), bool(tumblers),
    )  # fmt: skip
    evaluator.resume(operation, first, tumblers, snapshot)
    evaluator.week, evaluator.rivals, evaluator.schema = week, rivals, schema
    _restore_calls(evaluator, header["calls"], calls)
    _restore_totals(evaluator, totals)


def _restore_calls(evaluator: Evaluator, said: list[str], arrays: deque[NDArray[Any]]) -> None:
    events, *names = said
    if events == evaluator.snapshot.layout.events_digest:
        with guard.guarded("drift.calls"):
            evaluator.likeness.resume({name: _own(arrays) for name in names})


def _restore_totals(evaluator: Evaluator, content: bytes | None) -> None:
    if content is not None and evaluator.totals is not None:
        with guard.guarded("drift.totals"):
            evaluator.totals.restore(content)


def _check(evaluator: Evaluator, header: dict[str, Any]) -> None:
    labels = [spec.label for spec in evaluator.windows]
    if (header["week"] is None) != (evaluator.week is None):
        raise StateError(
            "drift's state: got windows with another baseline from the group; expected this "
            "process's. Start all processes with the same TIDEGAUGE_DRIFT_BASELINE."
        )
    if (header["pane_s"], header["windows"]) != (evaluator.pane_s, labels):
        raise StateError(
            f"drift's state: got panes of {header['pane_s']} s and windows {header['windows']} "
            f"from the group; expected {evaluator.pane_s} s and {labels}. Start all processes with "
            "the same TIDEGAUGE_DRIFT_* settings."
        )


def _restored(
    evaluator: Evaluator, spec: WindowSpec, state: dict[str, Any], rest: deque[NDArray[Any]]
) -> Closed:
    given = state["window"]
    counts, extra = _get(given, rest), _get_extra(given, rest)
    window = ClosedWindow(
        spec, **{name: given[name] for name in _WINDOW}, counts=counts, extra=extra,
        baseline=_baseline(given.get("baseline"), rest),
    )  # fmt: skip
    slots, said = evaluator.snapshot.layout.slots, state["verdict"]
    table, extra = _own(rest), _get_extra(said, rest)
    pairs = {str(name): _own(rest) for name in said.get("pairs", ())}
    known = evaluator.snapshot.layout.correlated
    check_pairs(pairs, 0 if known is None else known.pairs)
    return Closed(window, WindowVerdict.restored(spec, said, slots, table, extra, pairs=pairs))


def _baseline(state: dict[str, Any] | None, rest: deque[NDArray[Any]]) -> Baseline | None:
    if state is None:
        return None
    names = ("alarmed", "version", "rows", "pairs")
    return Baseline(_get(state, rest), **{name: state[name] for name in names})


def _get(state: dict[str, Any], rest: deque[NDArray[Any]]) -> Cells | None:
    return _own(rest) if state["counts"] else None


def _get_extra(state: dict[str, Any], rest: deque[NDArray[Any]]) -> Extra:
    return {str(name): _own(rest) for name in state["extra"]}


def _own(rest: deque[NDArray[Any]]) -> NDArray[Any]:
    """Return the next array by itself: a part would keep all of the bytes it came in."""
    return rest.popleft().copy()
