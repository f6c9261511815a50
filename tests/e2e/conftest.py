"""A trained model with its reference profile, and the untouched app that serves it."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tidegauge_exporter_prometheus import prometheus_name
from tidegauge_semconv import metrics
from tidegauge_testkit.backends import ServedApp, TestAgent, free_port
from tidegauge_testkit.launches import Stage, table

SERVED = Path(__file__).parent / "served"
LAUNCHED = Path(__file__).parent / "launched"
LAUNCHERS = Path(__file__).parents[2] / "build" / "launchers.json"
BIN = Path(sys.executable).parent
# What the page of launchers says it was seen with.
SHOWN = (
    "gunicorn",
    "gevent",
    "uvicorn",
    "uvicorn-worker",
    "litserve",
    "opentelemetry-sdk",
    "scikit-learn",
)
COMMAND_LIMIT_S = 120
# OpenTelemetry's own distro is installed too, and which is found first is chance.
OURS = {
    "OTEL_PYTHON_DISTRO": "tidegauge_distro",
    "OTEL_PYTHON_CONFIGURATOR": "tidegauge_configurator",
}


@dataclass(frozen=True)
class Workshop:
    """Where the model was made: ``model.joblib``, ``score.reference.json``, and more such rows."""

    folder: Path

    def rows(self, count: int, seed: int) -> pd.DataFrame:
        """Draw independent rows from the distribution that the reference was drawn from."""
        random = np.random.default_rng(seed)
        return pd.DataFrame(
            {
                "age": random.normal(45.0, 12.0, count).round(1),
                "income": random.lognormal(10.0, 0.8, count).round(2),
                "tenure": random.exponential(4.0, count).round(2),
                "load": random.uniform(0.0, 1.0, count).round(4),
                "visits": random.poisson(3.0, count).astype(float),
                "score": random.beta(2.0, 5.0, count).round(4),
            }
        )

    def batches(self, size: int, seed: int) -> Iterator[list[dict[str, float]]]:
        """Yield such rows in requests of ``size``, without end."""
        while True:
            seed += 1
            records: list[Any] = self.rows(2_000, seed).to_dict("records")
            for start in range(0, len(records), size):
                yield records[start : start + size]

    def reference(self, table: str, output: str) -> None:
        """Build a reference of a table, and of the held-out outputs."""
        tidegauge(
            self.folder,
            "reference", "build", table, "-o", output,
            "--holdout", "held_out.csv", "--outputs", "prediction",
        )  # fmt: skip

    def serve(
        self,
        folder: Path,
        environment: Mapping[str, str],
        *,
        instrumented: bool = True,
        workers: int = 1,
    ) -> ServedApp:
        """Return the app under uvicorn, in a copy of the workshop."""
        shutil.copytree(self.folder, folder)
        port = free_port()
        uvicorn = [str(BIN / "uvicorn"), "--app-dir", str(SERVED), "app:app", "--port", str(port)]
        uvicorn += ["--workers", str(workers)] if workers > 1 else []
        instrument = [str(BIN / "opentelemetry-instrument")] if instrumented else []
        # Nothing of the environment of the tests but what a program needs to start.
        inherited = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        return ServedApp(
            folder,
            [*instrument, *uvicorn, "--log-level", "warning"],
            port,
            {
                **inherited,
                "OTEL_TRACES_EXPORTER": "none",
                "OTEL_LOGS_EXPORTER": "none",
                "OTEL_SERVICE_NAME": "scoring",
                **OURS,
                "TIDEGAUGE_MODEL_NAME": "score",
                "TIDEGAUGE_MODEL_VERSION": "3",
                **environment,
            },
        )


def tidegauge(folder: Path, *words: str) -> str:
    """Run the ``tidegauge`` command; return what it prints."""
    done = subprocess.run(
        [str(BIN / "tidegauge"), *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=COMMAND_LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def command() -> Callable[..., str]:
    """Return what runs the ``tidegauge`` command in a folder, and returns what it prints."""
    return tidegauge


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Train a model, hold rows out, and build the reference as the documentation says."""
    shop = Workshop(tmp_path_factory.mktemp("workshop"))
    train = shop.rows(10_000, seed=1)
    held_out = shop.rows(10_000, seed=2)
    noise = np.random.default_rng(3).normal(0.0, 0.1, len(train))
    target = train["load"] + 0.01 * train["age"] - 0.05 * train["tenure"] + noise
    model = make_pipeline(StandardScaler(), Ridge()).fit(train, target)
    joblib.dump(model, shop.folder / "model.joblib")
    train.to_csv(shop.folder / "train.csv", index=False)
    held_out.assign(prediction=model.predict(held_out)).to_csv(
        shop.folder / "held_out.csv", index=False
    )
    shop.reference("train.csv", "score.reference.json")
    return shop


@pytest.fixture(scope="session")
def rules(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Render the rules as the documentation says."""
    folder = tmp_path_factory.mktemp("rules")
    tidegauge(folder, "rules", "render", "prometheus", "-o", "tidegauge.rules.yml")
    return (folder / "tidegauge.rules.yml").read_text()


@pytest.fixture(scope="session")
def stage(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Make what launches share; in the end print all of their rows, and keep them for the docs."""
    served = tmp_path_factory.mktemp("served")
    train = workshop.rows(2_000, seed=1)
    # Bare arrays, as most services send them.
    joblib.dump(Ridge().fit(train.to_numpy(), train["load"]), served / "model.joblib")
    shutil.copy(workshop.folder / "score.reference.json", served)
    batches = np.split(workshop.rows(1_000, seed=7).to_numpy(), 200)
    with TestAgent(tmp_path_factory.mktemp("agent")) as agent:
        stage = Stage(
            agent,
            served,
            LAUNCHED,
            prometheus_name(metrics.MODEL_REQUESTS),
            [{"rows": batch.tolist()} for batch in batches],
            requests=150,
        )
        yield stage
    print("\n\n" + table(stage.rows))
    LAUNCHERS.parent.mkdir(exist_ok=True)
    seen = {"versions": versions(), "rows": [row.as_json() for row in stage.rows]}
    LAUNCHERS.write_text(json.dumps(seen, indent=1))


def versions() -> dict[str, str]:
    """Return the versions of what is installed of all that launches are made of."""
    found = {"Python": platform.python_version()}
    for name in SHOWN:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
