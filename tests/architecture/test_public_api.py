"""What users may import. One name more needs a page of documentation in the same change."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import tidegauge

ROOT = Path(__file__).parents[2]
NAMES: dict[str, set[str]] = {
    "tidegauge_semconv": {
        "Kind",
        "Merge",
        "MetricSpec",
        "all_metrics",
        "attributes",
        "events",
        "metrics",
    },
    "tidegauge_drift": {
        "ChiSquareResult",
        "CompareSettings",
        "DriftProcessor",
        "DriftReport",
        "DriftSettings",
        "FeatureReport",
        "KsResult",
        "ProfileError",
        "ReferenceProfile",
        "benjamini_hochberg",
        "build",
        "build_file",
        "chi_square",
        "chi_square_from_counts",
        "cohens_h",
        "compare",
        "effective_sample_size",
        "hellinger_distance",
        "hellinger_distance_from_counts",
        "js_distance",
        "js_distance_from_counts",
        "kl_divergence",
        "kl_divergence_from_counts",
        "ks",
        "ks_from_counts",
        "ks_p_value",
        "load",
        "merge",
        "paging_alpha",
        "psi",
        "psi_critical_value",
        "psi_from_counts",
        "save",
        "two_proportion_p_value",
        "wasserstein_distance",
    },
    "tidegauge_exporter_datadog": {"DatadogExporter"},
    "tidegauge_exporter_prometheus": {
        "PrometheusReader",
        "asgi_app",
        "prometheus_name",
        "wsgi_app",
    },
    "tidegauge_exporter_whylabs": {"WhylabsProcessor", "load_whylogs"},
    "tidegauge_alerting": {
        "AlertDefinition",
        "AlertFile",
        "AlertFileError",
        "Comparison",
        "Severity",
        "load",
        "render_prometheus",
        "rule_groups",
    },
    "tidegauge_distro": {"configure"},
    "tidegauge_resources": {"ResourceSettings"},
}
# Of an integration users import its instrumentor alone; test_integrations.py looks at its name.
INTEGRATIONS = sorted(
    folder.name
    for folder in ROOT.glob("integrations/*/src/*")
    if (folder / "__init__.py").is_file()
)
MOST_NAMES = 10


def test_the_core_stays_small() -> None:
    """At most ten names, and these."""
    expected = {"Model", "attach", "flush", "set_model_info", "suppress"}
    assert expected == set(tidegauge.__all__)
    assert len(expected) <= MOST_NAMES


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at folders that nobody has installed yet, too."""
    for folder in [*ROOT.glob("packages/*/src"), *ROOT.glob("integrations/*/src")]:
        monkeypatch.syspath_prepend(folder)


@pytest.mark.parametrize("package", NAMES)
def test_the_other_packages(package: str) -> None:
    """These names and no others: whoever adds or takes one away says so here."""
    assert NAMES[package] == set(importlib.import_module(package).__all__)


def test_no_package_is_left_out() -> None:
    """Each one that users install is above; the testkit is ours alone."""
    folders = ROOT.glob("packages/*/src/*")
    found = {folder.name for folder in folders if (folder / "__init__.py").is_file()}
    assert {"tidegauge", "tidegauge_testkit", *NAMES} == found


@pytest.mark.parametrize("package", ["tidegauge", *NAMES, *INTEGRATIONS])
def test_all_names_exist(package: str) -> None:
    """A name in ``__all__`` that is not there breaks ``from ... import *`` only, and so unseen."""
    module = importlib.import_module(package)
    assert [] == [name for name in module.__all__ if not hasattr(module, name)]
