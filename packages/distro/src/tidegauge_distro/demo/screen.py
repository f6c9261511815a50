"""What the demo shows while it runs: a live table in a terminal, lines in a pipe."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from tidegauge.command import Terminal

from tidegauge_distro.demo.readings import Reading

_PER_SECOND = 4
_COLUMNS = ("feature", "PSI", "KS", "verdict")
_BAR_WIDTH = 40


def feature_rows(reading: Reading) -> list[tuple[str, str, str, str]]:
    """Return the rows of the table of features."""
    return [
        (name, _number(reading.psi, name), _number(reading.ks, name), _verdict(reading, name))
        for name in reading.features
    ]


def _number(values: Mapping[str, float], name: str) -> str:
    return f"{values[name]:.3f}" if name in values else "-"


def _verdict(reading: Reading, name: str) -> str:
    if name not in reading.detected:
        return "-"
    return "DRIFT" if reading.detected[name] else "ok"


class Screen:
    """Redraws itself in a terminal; a context manager."""

    def __init__(self, terminal: Terminal, console: Console | None) -> None:
        self._terminal = terminal
        self._live: Live | None = None
        if console is not None and console.is_terminal:
            self._live = Live(
                Text(""), console=console, refresh_per_second=_PER_SECOND, transient=True
            )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, text: str) -> None:
        """Write a line that stays."""
        self._terminal.print(text)

    def show(
        self,
        phase: str,
        done: int,
        total: int,
        reading: Reading,
        alerts: Mapping[tuple[str, str], str] | None,
    ) -> None:
        """Draw progress, features and alerts; nothing where nobody watches."""
        if self._live is not None:
            self._live.update(_drawing(phase, done, total, reading, alerts))

    def table(self, title: str, reading: Reading) -> None:
        """Write the table of features so that it stays."""
        self._terminal.table(title, _COLUMNS, feature_rows(reading))


def _drawing(
    phase: str,
    done: int,
    total: int,
    reading: Reading,
    alerts: Mapping[tuple[str, str], str] | None,
) -> RenderableType:
    bar = Table.grid(padding=(0, 1))
    bar.add_row(
        Text(phase), ProgressBar(total=total, completed=done, width=_BAR_WIDTH), f"{done}/{total}"
    )
    features = Table(*_COLUMNS, title="read from /metrics", title_justify="left")
    for name, psi, ks, verdict in feature_rows(reading):
        style = "bold red" if verdict == "DRIFT" else ""
        features.add_row(Text(name), psi, ks, Text(verdict, style=style))
    if not reading.features:
        features.add_row("waiting for the first window", "", "", "")
    parts: list[RenderableType] = [bar, features]
    if alerts is not None:
        shown = Table("alert", "feature", "state", title="Prometheus", title_justify="left")
        for (name, feature), state in sorted(alerts.items()):
            style = "bold red" if state == "firing" else "yellow"
            shown.add_row(Text(name), Text(feature), Text(state, style=style))
        if not alerts:
            shown.add_row("none", "", "")
        parts.append(shown)
    return Group(*parts)
