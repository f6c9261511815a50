"""How many custom metrics Datadog would count, and what a setting would change: for doctor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from tidegauge.series import ModelSeries, SeriesTable
from tidegauge.settings import load_what_is_right

from tidegauge_exporter_datadog.settings import DatadogSettings

_MOST = "TIDEGAUGE_DATADOG_MAX_FEATURES"
# Of each distribution: its count, sum, minimum, maximum and average; with percentiles five more.
_OF_A_DISTRIBUTION = 5


def custom_metrics(models: Sequence[ModelSeries]) -> SeriesTable:
    """Return what these models are at most, and with other settings."""
    settings, _ = load_what_is_right(DatadogSettings)
    most = settings.max_features
    now = sum(_of(model, most) for model in models)

    def row(what: str, count: Callable[[ModelSeries], int]) -> tuple[str, str, str]:
        number = sum(map(count, models))
        return what, str(number), f"{number - now:+d}"

    rows = [("in force", str(now), "")]
    features = max(model.features for model in models)
    if features:
        if features > most:
            rows.append(row(f"{_MOST}={features}", lambda model: _of(model, features)))
        if most:
            rows.append(row(f"{_MOST}=0", lambda model: _of(model, 0)))
        rows += [
            row(
                "one statistic more in TIDEGAUGE_DRIFT_EXPORT",
                lambda model: _of(replace(model, of_feature=model.of_feature + 1), most),
            ),
            row(
                "one window more in TIDEGAUGE_DRIFT_WINDOWS",
                lambda model: _of(replace(model, windows=model.windows + 1), most),
            ),
        ]
    rows += [
        row("percentiles turned on in Datadog", lambda model: _of(model, most) + _spread(model)),
        row("another operation of each model", lambda model: _of(model, most) + _calls(model)),
        row("another host", lambda model: 2 * _of(model, most)),
    ]
    return SeriesTable(
        "custom metrics in Datadog, at most, of one host and one operation a model",
        ("with", "custom metrics", "more than now"),
        rows,
    )


def _of(model: ModelSeries, most_features: int) -> int:
    return _calls(model) + model.drift(most_features) + model.fleet


def _calls(model: ModelSeries) -> int:
    return model.counters + _spread(model)


def _spread(model: ModelSeries) -> int:
    return _OF_A_DISTRIBUTION * model.histograms
