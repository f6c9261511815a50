"""What users may import. One name more needs a page of documentation in the same change."""

from __future__ import annotations

import tidegauge
import tidegauge_distro
import tidegauge_exporter_prometheus
import tidegauge_semconv
import tidegauge_sklearn

MOST_NAMES = 10


def test_the_core_stays_small() -> None:
    """At most ten names, and these."""
    expected = {"Model", "attach", "flush", "set_model_info", "suppress"}
    assert expected == set(tidegauge.__all__)
    assert len(expected) <= MOST_NAMES


def test_the_other_packages() -> None:
    """The entry classes and functions that their pages name."""
    assert "configure" in tidegauge_distro.__all__
    assert {"PrometheusReader", "asgi_app", "wsgi_app"} <= set(
        tidegauge_exporter_prometheus.__all__
    )
    assert {"SklearnInstrumentor"} == set(tidegauge_sklearn.__all__)
    assert {"Kind", "Merge", "MetricSpec", "all_metrics", "attributes", "metrics"} == set(
        tidegauge_semconv.__all__
    )


def test_all_names_exist() -> None:
    """A name in ``__all__`` that is not there breaks ``from ... import *`` only, and so unseen."""
    for package in (tidegauge, tidegauge_distro, tidegauge_exporter_prometheus, tidegauge_sklearn):
        assert [] == [name for name in package.__all__ if not hasattr(package, name)]
