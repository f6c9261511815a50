"""What all launches of a test session share."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tidegauge_testkit.launches.launch import Launch
from tidegauge_testkit.launches.ledger import Row, table
from tidegauge_testkit.launches.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tidegauge_testkit.backends.otlp_agent import TestAgent
    from tidegauge_testkit.launches.launchers import Launcher


@dataclass(slots=True)
class Stage:
    """A receiver, a model, apps that serve it, and the rows of all trials.

    Parameters
    ----------
    agent
        Where each launch exports deltas to, under a service name of its own.
    served
        A folder with ``model.joblib`` and ``score.reference.json``.
    apps
        Where the apps' modules are.
    shown
        The name that ``/metrics`` gives the counter of requests.
    bodies
        What the requests ask, in turn.
    requests
        How many a fault.
    """

    agent: TestAgent
    served: Path
    apps: Path
    shown: str
    bodies: Sequence[Any]
    requests: int
    rows: list[Row] = field(default_factory=list)

    @contextmanager
    def trial(
        self,
        launcher: Launcher,
        started: str,
        folder: Path,
        *,
        recycle: bool = False,
        prefix: Sequence[str] = (),
        prepare: Callable[[Launch], object] | None = None,
    ) -> Iterator[Trial]:
        """Give a trial of a launch in a new folder; in the end its rows must be right."""
        shutil.copytree(self.served, folder)
        self.agent.clear()
        launch = Launch(
            launcher,
            started,
            folder,
            self.apps,
            self._environment(folder.name),
            recycle=recycle,
            prefix=prefix,
        )
        if prepare is not None:
            prepare(launch)
        with launch:
            trial = Trial(launch, launcher, started, self, folder.name)
            try:
                yield trial
                wrong = [row for row in trial.rows if not row.right]
                assert wrong == [], table(wrong)  # noqa: S101
                assert trial.overlaps() == [], trial.overlaps()  # noqa: S101
            finally:
                self.rows.extend(trial.rows)
                print("\n" + table(trial.rows))  # noqa: T201 - read while it runs

    def _environment(self, service: str) -> dict[str, str]:
        inherited = {key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ}  # noqa: TID251
        return {
            **inherited,
            "OMP_NUM_THREADS": "1",
            "OTEL_PYTHON_DISTRO": "tidegauge_distro",
            "OTEL_PYTHON_CONFIGURATOR": "tidegauge_configurator",
            "OTEL_SERVICE_NAME": service,
            "OTEL_TRACES_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            "OTEL_METRICS_EXPORTER": "tidegauge_prometheus,otlp",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.agent.http_url,
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta",
            "OTEL_METRIC_EXPORT_INTERVAL": "1000",
            # The last export takes longer than in life where all of a machine's tests run.
            "TIDEGAUGE_SHUTDOWN_TIMEOUT_S": "10",
            "TIDEGAUGE_MODEL_NAME": "score",
            "TIDEGAUGE_REFERENCE": "score.reference.json",
            "TIDEGAUGE_DRIFT_WINDOWS": "300rows",
            "TIDEGAUGE_DRIFT_PANE_S": "1",
        }
