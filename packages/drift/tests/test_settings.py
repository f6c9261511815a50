"""Drift's settings: what is read, and what is refused by name."""

from __future__ import annotations

import pytest
from tidegauge import settings as core
from tidegauge_drift import DriftSettings
from tidegauge_drift.window import WindowSpec


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TIDEGAUGE_DRIFT_WINDOWS", "1000rows,1000rows"),
        ("TIDEGAUGE_DRIFT_WINDOWS", "1h,2h,3h,4h,5h"),
        ("TIDEGAUGE_DRIFT_EXPORT", "psi,p_value"),
        ("TIDEGAUGE_DRIFT_EXPORT", ","),
        ("TIDEGAUGE_DRIFT_PANE_S", "0"),
        ("TIDEGAUGE_DRIFT_MAX_SERIES", "10"),
    ],
)
def test_wrong_settings_are_refused_by_name(variable: str, value: str) -> None:
    """Configuration fails loudly."""
    with pytest.raises(core.SettingError, match=f"^{variable}: got "):
        core.load(DriftSettings, {variable: value})


def test_a_window_shorter_than_a_pane_is_refused() -> None:
    """Every second one would be empty."""
    with pytest.raises(core.SettingError) as caught:
        core.load(DriftSettings, {"TIDEGAUGE_DRIFT_WINDOWS": "5s"})

    assert str(caught.value) == (
        "TIDEGAUGE_DRIFT_WINDOWS: got '5s' from the settings; expected at least the 10 s of "
        "TIDEGAUGE_DRIFT_PANE_S. Make the window longer."
    )


def test_settings_are_read() -> None:
    """From the environment, as typed values."""
    found = core.load(
        DriftSettings,
        {
            "TIDEGAUGE_DRIFT_WINDOWS": "500rows, 6h",
            "TIDEGAUGE_DRIFT_EXPORT": "psi",
            "TIDEGAUGE_FEATURES_EXCLUDE": "id,tmp_*",
        },
    )

    assert found.windows == (WindowSpec("500rows", 500), WindowSpec("6h", 0, 21_600))
    assert (found.export, found.exclude, found.pane_s) == (("psi",), ("id", "tmp_*"), 10)
