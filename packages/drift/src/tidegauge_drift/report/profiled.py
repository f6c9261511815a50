"""One feature against a reference profile: the current rows counted on its cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from tidegauge.batch import Table

from tidegauge_drift.bins import TOP_CATEGORIES
from tidegauge_drift.block import SUMS, Block
from tidegauge_drift.cell_sums import Points
from tidegauge_drift.chi_square import chi_square_from_counts
from tidegauge_drift.columns import read
from tidegauge_drift.distances import smoothed
from tidegauge_drift.divergence import (
    hellinger_distance_from_counts,
    js_distance_from_counts,
    kl_divergence_from_counts,
)
from tidegauge_drift.edges import count
from tidegauge_drift.judge import EXPECTED, comparable_cells, judge_quality
from tidegauge_drift.ks import ks_from_counts
from tidegauge_drift.layout import Layout
from tidegauge_drift.profile import CategoricalFeature, Feature, NumericFeature
from tidegauge_drift.psi import psi_from_counts
from tidegauge_drift.report import categorical, numeric
from tidegauge_drift.report.cell_shapes import cell_histogram, cell_labels, equal_width
from tidegauge_drift.report.evidence import (
    Evidence,
    Share,
    Test,
    chi_square_statistic,
    psi_bins,
    statistic,
)
from tidegauge_drift.report.profile_cells import Cells, both_sides, tenths, verdict_test
from tidegauge_drift.report.result import (
    CATEGORICAL,
    NUMERIC,
    UNKNOWN,
    Bin,
    Histogram,
    Statistic,
    Summary,
)
from tidegauge_drift.report.tables import categories, numbers
from tidegauge_drift.season import expected
from tidegauge_drift.segment_counts import sliced
from tidegauge_drift.wanted import Wanted
from tidegauge_drift.wide import wide_edges

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tidegauge_drift.grid import Floats


class Shown(NamedTuple):
    """What there is only where both sides have values."""

    statistics: dict[str, Statistic] = {}  # noqa: RUF012 - never changed
    bins: tuple[Bin, ...] = ()
    histogram: Histogram | None = None


def compare_profiled(
    layout: Layout,
    i: int,
    feature: Feature,
    values: Any,
    *,
    hours: Mapping[str, int],
    segment: int | None = None,
) -> Evidence:
    """Return everything about the ``i``-th feature of a reference and a column of current rows.

    ``hours`` are the rows in each hour of the week, as far as they are known and the reference has
    a season: then it is compared as it was in these hours. With the place of a ``segment`` the rows
    are compared with the reference's rows of it.
    """
    if segment is None:
        found = expected(layout, i, hours)
        lacks = "more than a tenth of the rows are in hours that the reference lacks"
    else:
        found = sliced(layout, i, segment)
        lacks = "the reference has no counts of it by segment"
    if found is None:
        return Evidence(feature.name, layout.slots[i].family, UNKNOWN, Test(reason=lacks))
    slot, reference = found
    place = slice(slot.start, slot.stop)
    if isinstance(feature, NumericFeature):
        array, errors = numbers(read(values), feature.unit)
        column = numeric.read_numbers(array, errors)
        current, sums = _count(feature, array)
        current[-2] -= errors
        current[-1] += errors
        side = numeric.summarise(column)
    else:
        named = categories(read(values, as_text=True).values)
        rows = _listed(named.counts, named.missing, named.type_errors)
        current, sums = _count(feature, rows)
        side = categorical.summarise(named)
    part = segment is not None
    cells = Cells(
        slot, reference, current, layout.bins[place], slot.deff, sums,
        whole=not part and not (layout.season and hours), part=part,
    )  # fmt: skip
    if isinstance(feature, NumericFeature):
        return _numeric(feature, cells, side, column.values)
    return _categorical(feature, cells, side)


def _count(
    feature: Feature, column: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
    """Return a column's counts on the feature's cells, and the sums of its numbers."""
    block = Block([feature], "", 0, Wanted(wasserstein=True))
    counts, extra = block.measure(Table(column.size, None, columns=(column,)), (0,))
    return counts.astype(np.int64), block.further(SUMS, 0, extra)


def _listed(counts: Any, missing: int, errors: int) -> NDArray[Any]:
    listed = [*counts.elements(), *[None] * missing, *[[]] * errors]
    array = np.empty(len(listed), object)
    array[:] = listed
    return array


def _numeric(feature: NumericFeature, cells: Cells, side: Summary, values: Floats) -> Evidence:
    test, shown = verdict_test(cells), Shown()
    if both_sides(cells):
        p, q = cells.reference[:-2], cells.current[:-2]
        distance = ks_from_counts(p, q, deff=cells.deff)
        test = verdict_test(cells, distance.statistic)
        a, b = tenths(cells)
        joint = smoothed(cells.slot, cells.reference, cells.current, cells.deff)
        exact = feature.wide is not None and cells.whole
        wide = (
            (feature.wide, count(values, wide_edges(feature.minimum, feature.maximum)))
            if exact
            else (equal_width(feature, p), equal_width(feature, q))
        )
        statistics = {
            "psi": statistic(lambda: psi_from_counts(a, b), from_cells=True),
            "psi_equal_width": statistic(lambda: psi_from_counts(*wide), from_cells=not exact),
            "ks": Statistic(distance.statistic, "", distance.p_value, from_cells=True),
            "kl_divergence": statistic(lambda: kl_divergence_from_counts(*joint), from_cells=True),
            "js_distance": statistic(lambda: js_distance_from_counts(*joint), from_cells=True),
            "hellinger_distance": statistic(
                lambda: hellinger_distance_from_counts(*joint), from_cells=True
            ),
            **_distances(feature, cells),
            "chi_square": chi_square_statistic(
                chi_square_from_counts(a, b, pool_below=EXPECTED, deff=cells.deff),
                from_cells=True,
            ),
        }
        labels = cell_labels(feature, cells.bins[:-2], cells.slot.atom_bins)
        histogram = cell_histogram(feature, p, q, values) if values.size else None
        shown = Shown(statistics, psi_bins(labels, a, b), histogram)
    return _evidence(feature, cells, test, (_known(feature, cells), side), shown)


def _known(feature: NumericFeature, cells: Cells) -> Summary:
    """Return what the reference knows of a feature; of a segment only how many rows it has."""
    counts = cells.reference if cells.part else feature.counts
    infinite = int(counts[0] + counts[-3])
    rows = int(counts.sum()), int(counts[:-2].sum()) - infinite, int(counts[-2]), infinite
    if cells.part:
        return Summary(*rows, int(counts[-1]))
    q1, median, q3 = map(numeric.known, feature.quartiles)
    return Summary(
        *rows, int(counts[-1]), numeric.known(feature.mean), numeric.known(feature.sd),
        numeric.known(feature.minimum), q1, median, q3, numeric.known(feature.maximum),
    )  # fmt: skip


def _evidence(
    feature: Feature, cells: Cells, test: Test, sides: tuple[Summary, Summary], shown: Shown
) -> Evidence:
    found = judge_quality(cells.slot, cells.reference, cells.current, cells.deff)
    rows, values = max(1, int(cells.reference.sum())), max(1, int(cells.reference[:-2].sum()))
    outer = cells.reference[0] + cells.reference[1] + cells.reference[-4] + cells.reference[-3]
    of = {
        "missing": cells.reference[-2] / rows,
        "type_error": cells.reference[-1] / rows,
        "out_of_range": outer / values,
        "new_category": min(1.0, cells.slot.singletons / values),
    }
    effective = tuple(float(c[:-2].sum()) / cells.deff for c in (cells.reference, cells.current))
    return Evidence(
        feature.name, cells.slot.family,
        NUMERIC if isinstance(feature, NumericFeature) else CATEGORICAL,
        test, *sides, (effective[0], effective[1]), shown.statistics,
        tuple(Share(float(of[check.name]), check) for check in found.checks),
        shown.bins, shown.histogram, cells.deff,
    )  # fmt: skip


def _distances(feature: NumericFeature, cells: Cells) -> dict[str, Statistic]:
    """Return the Wasserstein distance that the cells and the sums of values give."""
    value = None
    if cells.sums is not None:
        value = Points(feature).distance(cells.reference, cells.current, cells.sums)
    if value is None:
        none = Statistic(None, "the reference's range has no width in float64")
        return {"wasserstein_distance": none, "wasserstein_in_sd": none}
    found = statistic(lambda: value, from_cells=True)
    in_sd = Statistic(None, "the reference is constant")
    if feature.sd > 0 and np.isfinite(value / feature.sd):
        in_sd = Statistic(value / feature.sd, from_cells=True)
    return {"wasserstein_distance": found, "wasserstein_in_sd": in_sd}


def _categorical(feature: CategoricalFeature, cells: Cells, side: Summary) -> Evidence:
    shown = Shown()
    if both_sides(cells):
        a, b = tenths(cells)
        p, q = comparable_cells(
            cells.slot,
            cells.reference[:-2].astype(np.float64),
            cells.current[:-2].astype(np.float64),
            cells.deff,
        )
        chi = chi_square_from_counts(p, q, pool_below=EXPECTED, deff=cells.deff)
        joint = smoothed(cells.slot, cells.reference, cells.current, cells.deff)
        statistics = {
            "psi": statistic(lambda: psi_from_counts(a, b), from_cells=True),
            "psi_equal_width": categorical.NO_NUMBERS,
            "ks": categorical.NO_NUMBERS,
            "kl_divergence": statistic(lambda: kl_divergence_from_counts(*joint), from_cells=True),
            "js_distance": statistic(lambda: js_distance_from_counts(*joint), from_cells=True),
            "hellinger_distance": statistic(
                lambda: hellinger_distance_from_counts(*joint), from_cells=True
            ),
            "wasserstein_distance": categorical.NO_NUMBERS,
            "wasserstein_in_sd": categorical.NO_NUMBERS,
            "chi_square": chi_square_statistic(chi, from_cells=True),
        }
        labels = [*feature.top[: len(a) - 2], categorical.REST, categorical.NEW]
        shown = Shown(statistics, psi_bins(labels, a, b))
    counts = cells.reference if cells.part else feature.counts
    top = sorted(zip(feature.top, counts.tolist(), strict=False), key=lambda item: -item[1])
    reference_side = Summary(
        int(counts.sum()), int(counts[:-2].sum()), int(counts[-2]), 0, int(counts[-1]),
        distinct=None if cells.part else feature.distinct, top=tuple(top[:TOP_CATEGORIES]),
    )  # fmt: skip
    return _evidence(feature, cells, verdict_test(cells), (reference_side, side), shown)
