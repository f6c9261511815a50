from __future__ import annotations

import re
from pathlib import Path

from tidegauge_alerting import DEFAULT_ALERTS
from tidegauge_alerting.promql import duration

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "alerts.md"


def test_the_page_lists_every_alert() -> None:
    """The table has one row an alert, with its severity and time, in the rendered order."""
    row = re.compile(r"^\| `(\w+)` \| (\w+) \| .* \| ([\w ]+) \| .* \|$", re.MULTILINE)
    rows = row.findall(PAGE.read_text())
    assert rows == [
        (alert.name, alert.severity.value, duration(alert.for_s) if alert.for_s else "at once")
        for alert in DEFAULT_ALERTS
    ]


def test_the_example_of_the_page_works() -> None:
    """The definition of one's own renders as it stands."""
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict[str, str] = {}
    exec(example, names)  # noqa: S102 - the page's own example
    assert "alert: StrongShift" in names["text"]
