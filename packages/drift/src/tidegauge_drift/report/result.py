"""What a report says: of each feature, of the data's quality, and of all together."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from tidegauge_drift.judge import LOW_POWER_ROWS

if TYPE_CHECKING:
    from collections.abc import Collection

    import pandas as pd

    from tidegauge_drift.report.segment_result import BySegment

# Changes when a program that reads to_dict() would have to change.
FORMAT = 1
NUMERIC, CATEGORICAL, UNKNOWN = "numeric", "categorical", "unknown"
# The season of a report whose reference has one that could not be used.
POOLED = "pooled"


@dataclass(frozen=True, slots=True)
class Summary:
    """One side of a feature; numbers are None where there are none, as for categories.

    ``rows`` are all rows; ``values`` those that were compared: neither missing, infinite nor of a
    wrong type. ``sd`` has the divisor n. ``top`` are the most frequent categories with their rows.
    """

    rows: int
    values: int = 0
    missing: int = 0
    infinite: int = 0
    type_errors: int = 0
    mean: float | None = None
    sd: float | None = None
    minimum: float | None = None
    quartile_1: float | None = None
    median: float | None = None
    quartile_3: float | None = None
    maximum: float | None = None
    distinct: int | None = None
    top: tuple[tuple[str, int], ...] = ()


NO_SUMMARY = Summary(0)


@dataclass(frozen=True, slots=True)
class Statistic:
    """One number, or the reason why there is none.

    ``from_cells`` marks what was computed on a reference profile's cells and approximates the
    textbook's value.
    """

    value: float | None
    reason: str = ""
    p_value: float | None = None
    from_cells: bool = False


@dataclass(frozen=True, slots=True)
class Bin:
    """A bin of PSI: both shares and what it adds."""

    label: str
    reference: float
    current: float
    psi: float


@dataclass(frozen=True, slots=True)
class Histogram:
    """Shares of both sides on common bins that show the bulk; the rest lies below and above."""

    edges: tuple[float, ...]
    reference: tuple[float, ...]
    current: tuple[float, ...]
    below: tuple[float, float] = (0.0, 0.0)
    above: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Quality:
    """A share of rows against the reference's: missing, type_error, out_of_range, new_category.

    ``effect`` is Cohen's h in units of its floor, .08.
    """

    name: str
    reference: float
    current: float
    p_value: float
    adjusted_p_value: float
    effect: float
    flagged: bool


@dataclass(frozen=True, slots=True)
class FeatureReport:
    """What was found about one feature.

    ``drifted`` is None where there is no verdict, and ``reason`` then says why. ``effect`` is the
    largest of KS / .05, the largest change of a share / .05, PSI / .02 and Cohen's h / .08, and
    ``effect_of`` names which: below 1 nothing is flagged, however certain.
    ``effective_rows`` are those of reference and current.
    """

    name: str
    family: str
    kind: str
    drifted: bool | None = None
    reason: str = ""
    effect: float = 0.0
    effect_of: str = ""
    p_value: float | None = None
    adjusted_p_value: float | None = None
    effective_rows: tuple[float, float] = (0.0, 0.0)
    reference: Summary = NO_SUMMARY
    current: Summary = NO_SUMMARY
    statistics: dict[str, Statistic] = field(default_factory=dict)
    quality: tuple[Quality, ...] = ()
    bins: tuple[Bin, ...] = ()
    histogram: Histogram | None = None

    @property
    def quality_flagged(self) -> bool:
        """Whether a share of missing, out-of-range, new or ill-typed values changed."""
        return any(check.flagged for check in self.quality)

    @property
    def flagged(self) -> bool:
        """Whether the feature drifted or its quality changed."""
        return bool(self.drifted) or self.quality_flagged

    @property
    def low_power(self) -> bool:
        """Whether a change of a quarter of a standard deviation can be missed."""
        return self.drifted is not None and min(self.effective_rows) < LOW_POWER_ROWS

    def to_dict(self, *, without: Collection[str] = ()) -> dict[str, Any]:
        """Return everything as plain values, but for the fields that are left out."""
        found = asdict(self)
        more = {"low_power": self.low_power, "quality_flagged": self.quality_flagged}
        return {**{k: value for k, value in found.items() if k not in without}, **more}

    @property
    def rank(self) -> tuple[bool, bool, float, str]:
        """Flagged features first, those without a verdict last, larger effects before smaller."""
        effects = [check.effect for check in self.quality if check.flagged]
        largest = max(self.effect, *effects, 0.0)
        return not self.flagged, not self.flagged and self.drifted is None, -largest, self.name


@dataclass(frozen=True, slots=True)
class Compared:
    """One side of the comparison: where it came from, and its rows."""

    source: str
    rows: int
    profile: str = ""


@dataclass(frozen=True, slots=True)
class DriftReport:
    """All features, flagged ones first and larger effects before smaller.

    ``missing`` are features that current does not have, ``additional`` its columns that the
    reference does not have. ``order`` is ``time`` where the reference's rows are known to be in the
    order of time, so that their dependence is in the p-values; else ``unknown``. ``season`` names
    the slots in which the reference was compared, each with as much weight as current has rows in
    it; ``pooled`` where the reference has a season and the times of current are not known.
    ``sketches`` say of a side that is no table what stands for its rows.
    """

    reference: Compared
    current: Compared
    features: tuple[FeatureReport, ...]
    missing: tuple[str, ...] = ()
    additional: tuple[str, ...] = ()
    alpha: float = 0.05
    order: str = "unknown"
    created: str = ""
    season: str = ""
    multivariate: dict[str, Statistic] = field(default_factory=dict)
    segments: BySegment | None = None
    sketches: tuple[str, ...] = ()

    @property
    def drifted(self) -> bool:
        """Whether a feature drifted or changed its quality, also in a segment, or is missing."""
        if self.missing or any(feature.flagged for feature in self.features):
            return True
        return self.segments is not None and self.segments.drifted

    @property
    def summary(self) -> dict[str, int]:
        """Count the features by verdict, and those whose data quality changed."""
        verdicts = [feature.drifted for feature in self.features]
        return {
            "features": len(verdicts),
            "drifted": verdicts.count(True),
            "not_drifted": verdicts.count(False),
            "undecided": verdicts.count(None),
            "quality_flagged": sum(feature.quality_flagged for feature in self.features),
            "missing": len(self.missing),
        }

    @property
    def families(self) -> dict[str, dict[str, int]]:
        """Count per family the tests that were made and those that were flagged."""
        found: dict[str, dict[str, int]] = {}
        for feature in self.features:
            if feature.drifted is not None:
                counted = found.setdefault(feature.family, {"tested": 0, "flagged": 0})
                counted["tested"] += 1
                counted["flagged"] += feature.drifted
        checks = [check.flagged for feature in self.features for check in feature.quality]
        if checks:
            found["data_quality"] = {"tested": len(checks), "flagged": sum(checks)}
        if self.segments is not None:
            found["segments"] = self.segments.tests
        return found

    def __getitem__(self, name: str) -> FeatureReport:
        """Return a feature by name."""
        for feature in self.features:
            if feature.name == name:
                return feature
        raise KeyError(name)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values: every number is finite, what is not known is None."""
        return {
            "format": FORMAT,
            "created": self.created,
            "reference": asdict(self.reference),
            "current": asdict(self.current),
            "order": self.order,
            "season": self.season,
            "alpha": self.alpha,
            "drifted": self.drifted,
            "summary": self.summary,
            "families": self.families,
            "missing": list(self.missing),
            "additional": list(self.additional),
            "multivariate": {name: asdict(s) for name, s in self.multivariate.items()},
            "features": [feature.to_dict() for feature in self.features],
            **({} if self.segments is None else {"segments": self.segments.to_dict()}),
            **({"sketches": list(self.sketches)} if self.sketches else {}),
        }

    def to_json(self, *, indent: int | None = 2) -> str:
        """Return ``to_dict()`` as JSON (RFC 8259: no NaN, no Infinity)."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    def to_html(self) -> str:
        """Return a page that needs nothing else: no network, no font, no script."""
        from tidegauge_drift.report.page import page  # noqa: PLC0415 - most reports need no page

        return page(self)

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row a feature.

        Raises
        ------
        ImportError
            pandas is not installed.
        """
        try:
            import pandas as pd  # noqa: PLC0415 - an extra: nothing else here needs it
        except ImportError as error:
            raise ImportError(
                "to_dataframe() needs pandas, which is not installed; expected pandas>=2.2. "
                "pip install 'tidegauge-drift[files]', or use to_dict()."
            ) from error
        return pd.DataFrame([_flat(feature) for feature in self.features])


_PLAIN = (
    "name", "family", "kind", "drifted", "reason", "effect", "effect_of", "p_value",
    "adjusted_p_value",
)  # fmt: skip
_SIDE = (
    "rows", "values", "missing", "infinite", "type_errors", "mean", "sd", "minimum", "quartile_1",
    "median", "quartile_3", "maximum", "distinct",
)  # fmt: skip


def _flat(feature: FeatureReport) -> dict[str, Any]:
    row = {name: getattr(feature, name) for name in _PLAIN}
    row["quality_flagged"] = ", ".join(check.name for check in feature.quality if check.flagged)
    row |= {name: statistic.value for name, statistic in feature.statistics.items()}
    for side, summary in (("reference", feature.reference), ("current", feature.current)):
        row |= {f"{side}_{name}": getattr(summary, name) for name in _SIDE}
    return row
