"""How many series the models lead to, in the backend of each exporter that is in force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tidegauge import plugins
from tidegauge.series import SERIES, ModelSeries, SeriesCounter
from tidegauge_semconv import Kind, MetricSpec, all_metrics
from tidegauge_semconv import metrics as m

from tidegauge_distro import exporters
from tidegauge_distro.doctor.configuration import in_force
from tidegauge_distro.doctor.report import Report

# Counters of one operation, where that is not one series each.
_COUNTED = {
    m.MODEL_REQUESTS.name: 2,
    m.TIDEGAUGE_ROWS.name: 3,
    m.MODEL_ERRORS.name: 0,
    m.MODEL_FEATURE_BIN.name: 0,  # of drift
    m.MODEL_ENERGY_USAGE.name: 0,  # of resources, a few for all operations together
    m.MODEL_CARBON_EMISSIONS.name: 0,
}
# Exporters to which each bucket of a histogram is a series.
_BY_BUCKET = (exporters.OURS, "prometheus")
# Of a window: its rows, its features by state (6), three families; correlation is a fourth.
_OF_A_WINDOW = 1 + 6 + 3
# Of a feature in the first window. psi comes with the effective rows that its alert needs, detected
# stands once in the feature's own family and once in data quality.
_OF_A_FEATURE = {"psi": 2, "ks.statistic": 1, "detected": 2, "data_quality": 4}


def examine(report: Report, environ: Mapping[str, str], models: Sequence[ModelSeries]) -> None:
    """Add what the models lead to, given those that have a reference."""
    report.add(
        "series of a model in Prometheus, at most",
        (
            "reference",
            "drift",
            "drift's budget",
            "fleet, beside the budget",
            "requests, latency and values of one operation",
        ),
        [
            (each.reference, str(each.drift()), str(each.budget), str(each.fleet), str(_core()))
            for each in models
        ],
    )
    text = environ.get(exporters.METRICS.variable, "").strip()
    named = (text or exporters.default(exporters.METRICS, environ)).split(",")
    names = [name.strip() for name in named if name.strip() not in ("", exporters.NONE)]
    counters = {found.name: counter for found, counter in plugins.load(SERIES)}
    report.add(
        "series of all these models, at most",
        ("exporter", "models", "a histogram is", "series"),
        [_in_all(name, models) for name in names if models and name not in counters],
    )
    for name in names:
        if name in counters:
            _count(report, name, counters[name], models or [without_drift()])


def _count(report: Report, name: str, found: SeriesCounter, models: Sequence[ModelSeries]) -> None:
    try:
        table = found(models)
    except Exception as error:
        report.problems.append(
            f"{name}: its series cannot be counted ({type(error).__name__}: {error}). Repair or "
            "reinstall its package."
        )
    else:
        report.add(table.title, table.columns, table.rows)


def _in_all(exporter: str, models: Sequence[ModelSeries]) -> tuple[str, ...]:
    buckets = exporter in _BY_BUCKET
    total = sum(each.drift() + each.fleet + _core(buckets=buckets) for each in models)
    shown = "a series a bucket" if buckets else "one series"
    return exporter, str(len(models)), shown, str(total)


def without_drift() -> ModelSeries:
    """Return a model that has no reference."""
    counters = sum(_COUNTED.get(spec.name, 1) for spec in _of_models(Kind.COUNTER))
    return ModelSeries("", counters, len(_of_models(Kind.HISTOGRAM)))


def with_reference(name: str, features: int, fleet: int, *, families: int) -> ModelSeries:
    """Return a model whose reference has so many features and families beyond the usual ones."""
    export = in_force("TIDEGAUGE_DRIFT_EXPORT") or ()
    return replace(
        without_drift(),
        reference=name,
        windows=len(in_force("TIDEGAUGE_DRIFT_WINDOWS") or ()),
        of_window=_OF_A_WINDOW + families,
        of_feature=sum(_OF_A_FEATURE.get(each, 1) for each in export),
        features=features,
        budget=int(in_force("TIDEGAUGE_DRIFT_MAX_SERIES") or 0),
        fleet=fleet,
    )


def _core(*, buckets: bool = True) -> int:
    """Return how many series one operation of a model has without drift and errors.

    ``buckets`` says whether each bucket of a histogram is a series, as in Prometheus.
    """
    # Beside the bounds: +Inf, _count, _sum.
    histograms = _of_models(Kind.HISTOGRAM)
    series = sum(len(spec.buckets) + 3 for spec in histograms) if buckets else len(histograms)
    return series + without_drift().counters


def _of_models(kind: Kind) -> list[MetricSpec]:
    model = m.MODEL_REQUESTS.attributes[:1]
    return [spec for spec in all_metrics() if spec.kind is kind and spec.attributes[:1] == model]
