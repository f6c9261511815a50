"""What is said of a closed window: small arrays that can be stored, read as objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tidegauge_drift.block import INPUTS, OUTPUTS
from tidegauge_drift.classic import RULES
from tidegauge_drift.extras import arrays, names
from tidegauge_drift.judge import Check, Finding, Shares
from tidegauge_drift.optional import decided, flag, known, number
from tidegauge_drift.segment_table import SEGMENTS, alarms

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from tidegauge_drift.block import Slot
    from tidegauge_drift.extras import Extra
    from tidegauge_drift.wanted import Wanted
    from tidegauge_drift.window import WindowSpec

QUALITY = "data_quality"
FAMILIES = (INPUTS, OUTPUTS, QUALITY)
#: The family that is there only where it is asked for.
CORRELATION = "correlation"

OK, SUSPECTED, DRIFTED = "ok", "suspected", "drifted"
UNDECIDED, MISSING, MISMATCH = "undecided", "missing", "reference_mismatch"
STATES = (OK, SUSPECTED, DRIFTED, UNDECIDED, MISSING, MISMATCH)

#: Of rows of one call: too few calls of several rows were seen.
UNKNOWN = "unknown"

REASONS = (
    "", "rows", "missing", "sampling", "fault", "dependent", "season", "week", "live", "traffic",
)  # fmt: skip
CHECKS = ("missing", "type_error", "out_of_range", "new_category")

#: Values that have a column of their own where they are wanted.
VALUES = ("kl", "js", "wasserstein")
_RULES = tuple(RULES)

# One row a feature: 176 bytes where the objects take 1 KiB. NaN and -1 stand for None.
_TABLE = np.dtype(
    [
        ("rows", "<u8"), ("effective_rows", "<f8"), ("psi", "<f8"), ("ks", "<f8"),
        ("p_value", "<f8"), ("effect", "<f8"), ("reason", "<u1"), ("adjusted", "<f8"),
        ("flagged", "<i1"), ("before", "<i1"), ("detected", "<i1"), ("state", "<u1"),
        ("checked_rows", "<u8"), ("checks", "<f8", (len(CHECKS), 3)),
        ("quality_flagged", "<i1"), ("quality_before", "<i1"), ("quality_detected", "<i1"),
        ("since", "<u4"), ("quality_since", "<u4"),
    ]
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Run:
    """What is remembered of the windows before: the last decided flag, and the alarm."""

    flagged: bool | None = None
    detected: bool | None = None

    def after(self, flagged: bool | None) -> Run:
        """Return the run with one more window: two alike in a row switch the alarm on or off."""
        if flagged is None:
            return self
        detected = flagged if self.flagged == flagged else bool(self.detected)
        return Run(flagged, detected)

    def held(self) -> Run:
        """Return the run with one more window that may neither raise an alarm nor end one."""
        return Run(self.flagged, bool(self.detected))

    def at_once(self, flagged: bool | None) -> Run:
        """Return the run with one more window that is an alarm, or none, by itself."""
        return self if flagged is None else Run(flagged, flagged)


@dataclass(frozen=True, slots=True)
class FeatureVerdict:
    """One feature in one window; ``finding`` has the numbers, ``flagged`` is None if undecided.

    ``since_s`` is when the first of the windows began in which it has differed; 0 if it does not.
    """

    name: str
    family: str
    finding: Finding
    adjusted_p_value: float | None
    flagged: bool | None
    run: Run
    state: str
    since_s: int = 0


@dataclass(frozen=True, slots=True)
class QualityVerdict:
    """Missing, out-of-range, new and ill-typed values of one feature in one window."""

    name: str
    shares: Shares
    flagged: bool | None
    run: Run
    since_s: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class WindowVerdict:
    """All of one window. ``table`` has a row for each of ``slots``; read it by the properties.

    ``levels`` are those that the p-values of each family were compared with. ``dependence`` is
    ``unknown`` where it matters how alike rows of one call are and too few calls were seen, else
    empty. ``extra`` are further columns, by name, with a value for each of ``slots``; none by
    default. ``pairs`` are columns with a value for each pair of correlated inputs, in the layout's
    order, see ``correlation_judge``; none where their correlations were not looked at.
    """

    spec: WindowSpec
    opened_s: int
    closed_s: int
    rows: int
    levels: dict[str, float]
    mismatch: bool
    judged: bool
    dependence: str
    slots: Sequence[Slot] = field(repr=False)
    table: NDArray[Any] = field(repr=False)
    extra: Extra = field(default_factory=dict, repr=False)
    pairs: Extra = field(default_factory=dict, repr=False)

    @property
    def features(self) -> tuple[FeatureVerdict, ...]:
        """Each feature's numbers, flag and state."""
        more = [_further(self.extra, i) for i in range(len(self.slots))]
        return tuple(map(_feature, self.slots, self.table, more))

    @property
    def quality(self) -> tuple[QualityVerdict, ...]:
        """Each feature's shares of missing, out-of-range, new and ill-typed values."""
        return tuple(map(_quality, self.slots, self.table))

    @property
    def detected(self) -> dict[str, bool]:
        """The alarm of each family that was ever decided."""
        families = [slot.family for slot in self.slots]
        pairs = [*zip(families, self.table["detected"].tolist(), strict=True)]
        pairs += [(QUALITY, alarm) for alarm in self.table["quality_detected"].tolist()]
        in_segments = alarms(self.extra)
        if in_segments is not None:
            pairs.append((SEGMENTS, int(in_segments.any())))
        found: dict[str, bool] = {}
        for family, alarm in pairs:
            if alarm >= 0:
                found[family] = found.get(family, False) or bool(alarm)
        if self.pairs and (self.pairs["detected"] >= 0).any():
            found[CORRELATION] = bool((self.pairs["detected"] > 0).any())
        return found

    def states(self) -> dict[str, int]:
        """Return the number of features in each state."""
        numbers = np.bincount(self.table["state"], minlength=len(STATES))
        return dict(zip(STATES, numbers.tolist(), strict=True))

    def ranked(self) -> list[str]:
        """Return the features' names by falling effect."""
        order = np.argsort(-self.table["effect"], kind="stable")
        return [self.slots[i].name for i in order.tolist()]

    def state(self) -> dict[str, Any]:
        """Return what is stored of it beside its table and its kind of window."""
        return {name: getattr(self, name) for name in _STATE}

    @classmethod
    def restored(
        cls,
        spec: WindowSpec,
        state: dict[str, Any],
        slots: Sequence[Slot],
        table: NDArray[Any],
        extra: Extra,
        *,
        pairs: Extra,
    ) -> WindowVerdict:
        """Return the verdict whose state and table, as bytes, these are.

        Raises
        ------
        KeyError, ValueError
            The state lacks something, or the table is of other features.
        """
        rows = table.view(_TABLE)
        if len(rows) != len(slots):
            raise ValueError("table")
        if any(len(column) != len(slots) for column in extra.values()):
            raise ValueError("extra")
        named = {name: state[name] for name in _STATE}
        return cls(spec, **named, slots=slots, table=rows, extra=extra, pairs=pairs)

    def __eq__(self, other: object) -> bool:
        """Equal in all that was said, of features of the same names."""
        if not isinstance(other, WindowVerdict):
            return NotImplemented
        return (
            (self.spec, self.state()) == (other.spec, other.state())
            and [(s.name, s.family) for s in self.slots]
            == [(s.name, s.family) for s in other.slots]
            and self.table.tobytes() == other.table.tobytes()
            and _equal(self.extra, other.extra)
            and _equal(self.pairs, other.pairs)
        )

    __hash__ = None  # type: ignore[assignment]


def _equal(one: Extra, other: Extra) -> bool:
    return names(one) == names(other) and [a.tobytes() for a in arrays(one)] == [
        a.tobytes() for a in arrays(other)
    ]


_STATE = ("opened_s", "closed_s", "rows", "levels", "mismatch", "judged", "dependence")


def tabulate(features: Sequence[FeatureVerdict], quality: Sequence[QualityVerdict]) -> NDArray[Any]:
    """Return the table of what was found."""
    table = np.zeros(len(features), _TABLE)
    findings = [feature.finding for feature in features]
    for name in ("rows", "effective_rows", "effect"):
        table[name] = [getattr(finding, name) for finding in findings]
    for name in ("psi", "ks", "p_value"):
        table[name] = [number(getattr(finding, name)) for finding in findings]
    table["reason"] = [REASONS.index(finding.reason) for finding in findings]
    table["adjusted"] = [number(feature.adjusted_p_value) for feature in features]
    table["state"] = [STATES.index(feature.state) for feature in features]
    table["checked_rows"] = [verdict.shares.rows for verdict in quality]
    table["checks"] = np.nan
    for checks, verdict in zip(table["checks"], quality, strict=True):
        for check in verdict.shares.checks:
            checks[CHECKS.index(check.name)] = check.share, check.p_value, check.effect
    for prefix, verdicts in (("", features), ("quality_", quality)):
        table[f"{prefix}flagged"] = [flag(verdict.flagged) for verdict in verdicts]
        table[f"{prefix}before"] = [flag(verdict.run.flagged) for verdict in verdicts]
        table[f"{prefix}detected"] = [flag(verdict.run.detected) for verdict in verdicts]
    return table


def columns(findings: Sequence[Finding], wanted: Wanted) -> Extra:
    """Return the values that are wanted beside the table's."""
    found: Extra = {
        name: np.array([number(getattr(finding, name)) for finding in findings])
        for name in VALUES
        if getattr(wanted, name) or (name == "kl" and wanted.classic)
    }
    if wanted.classic:
        bits = [sum(1 << _RULES.index(rule) for rule in finding.rules) for finding in findings]
        found["rules"] = np.array(bits, np.uint8)
    return found


def date(table: NDArray[Any], before: NDArray[Any] | None, opened_s: int) -> None:
    """Enter since when each feature has differed: this window, or what the last table says."""
    for prefix in ("", "quality_"):
        names = (f"{prefix}flagged", f"{prefix}before", f"{prefix}detected")
        differs = np.any([table[name] == 1 for name in names], axis=0)
        known = 0 if before is None else before[f"{prefix}since"]
        table[f"{prefix}since"] = np.where(differs, np.where(known, known, opened_s), 0)


def alarmed_since(verdict: WindowVerdict) -> int | None:
    """Return since when the features differ whose alarms are on; None where there is none."""
    table = verdict.table
    times = [
        table[f"{prefix}since"][table[f"{prefix}detected"] == 1] for prefix in ("", "quality_")
    ]
    return min((int(each) for found in times for each in found), default=None)


def _further(extra: Extra, i: int) -> dict[str, Any]:
    found: dict[str, Any] = {name: known(extra[name][i]) for name in VALUES if name in extra}
    if "rules" in extra:
        bits = int(extra["rules"][i])
        found["rules"] = tuple(rule for place, rule in enumerate(_RULES) if bits >> place & 1)
    return found


def _feature(slot: Slot, row: Any, more: dict[str, Any]) -> FeatureVerdict:
    finding = Finding(
        int(row["rows"]), float(row["effective_rows"]), known(row["psi"]), known(row["ks"]),
        known(row["p_value"]), float(row["effect"]), REASONS[row["reason"]], **more,
    )  # fmt: skip
    return FeatureVerdict(
        slot.name, slot.family, finding, known(row["adjusted"]), decided(row["flagged"]),
        Run(decided(row["before"]), decided(row["detected"])), STATES[row["state"]],
        int(row["since"]),
    )  # fmt: skip


def _quality(slot: Slot, row: Any) -> QualityVerdict:
    return QualityVerdict(
        slot.name, Shares(int(row["checked_rows"]), tuple(_checks(row["checks"].tolist()))),
        decided(row["quality_flagged"]),
        Run(decided(row["quality_before"]), decided(row["quality_detected"])),
        int(row["quality_since"]),
    )  # fmt: skip


def _checks(rows: list[list[float]]) -> Iterator[Check]:
    for name, (share, p_value, effect) in zip(CHECKS, rows, strict=True):
        if share == share:  # noqa: PLR0124 - NaN: the feature has no such check
            yield Check(name, share, p_value, effect)
