"""What a team has before it serves: data, a fitted model, a reference.

Heavy imports stay inside the functions.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidegauge.command import CommandError

FEATURES = ("temp", "atemp", "hum", "windspeed", "weathersit", "hr", "weekday")
TARGET = "bikers"
COLD = ("Nov", "Dec", "Jan", "Feb", "March")
WARM = ("June", "July", "Aug")

MODEL = "bikes"
MODEL_FILE = "bikes.joblib"
REFERENCE_FILE = "bikes.reference.json"
_TRAINING_FILE = "training.csv"
_HOLDOUT_FILE = "holdout.csv"
_PREDICTED = "predicted"
_HERE = Path(__file__).parent

# Of the cold rows: half to fit, a sixth for the outputs of the reference, the rest is replayed.
_FIT = 1 / 2
_HOLDOUT = 1 / 6
_SEED = 7
_BUILD_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """The rows to replay, shuffled within each phase, and how good the model is on cold ones."""

    fitted: int
    error: float
    typical: float
    cold: list[dict[str, Any]]
    warm: list[dict[str, Any]]
    reference_command: str


def prepare(folder: Path) -> Prepared:
    """Fit the model, build its reference and put the app beside both, in one folder."""
    import joblib  # noqa: PLC0415 - an extra
    import pandas as pd  # noqa: PLC0415 - an extra

    data = pd.read_csv(_HERE / "bikeshare.csv.gz")
    cold = data[data["mnth"].isin(COLD)].sample(frac=1, random_state=_SEED)
    warm = data[data["mnth"].isin(WARM)].sample(frac=1, random_state=_SEED)
    fit_until = int(len(cold) * _FIT)
    holdout_until = fit_until + int(len(cold) * _HOLDOUT)
    training = cold.iloc[:fit_until]
    holdout = cold.iloc[fit_until:holdout_until]
    replayed = cold.iloc[holdout_until:]

    model = _model()
    columns = list(FEATURES)
    model.fit(training[columns], training[TARGET])
    joblib.dump(model, folder / MODEL_FILE)
    shutil.copyfile(_HERE / "app.py", folder / "app.py")

    error = float((model.predict(replayed[columns]) - replayed[TARGET]).abs().mean())
    training[columns].to_csv(folder / _TRAINING_FILE, index=False)
    held_out = holdout[columns].assign(**{_PREDICTED: model.predict(holdout[columns])})
    held_out.to_csv(folder / _HOLDOUT_FILE, index=False)
    command = _build_reference(folder)
    return Prepared(
        fitted=len(training),
        error=error,
        typical=float(replayed[TARGET].mean()),
        cold=_records(replayed),
        warm=_records(warm),
        reference_command=command,
    )


def _records(frame: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = frame[list(FEATURES)].to_dict("records")
    return rows


def _model() -> Any:
    """Return a gradient boosting that treats the weather's kind as a category."""
    from sklearn.compose import make_column_transformer  # noqa: PLC0415 - an extra
    from sklearn.ensemble import GradientBoostingRegressor  # noqa: PLC0415 - an extra
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415 - an extra
    from sklearn.preprocessing import OneHotEncoder  # noqa: PLC0415 - an extra

    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["weathersit"]), remainder="passthrough"
    )
    return make_pipeline(columns, GradientBoostingRegressor(random_state=_SEED))


def _build_reference(folder: Path) -> str:
    """Build the reference as a person would, and return the command line."""
    words = ["reference", "build", _TRAINING_FILE, "-o", REFERENCE_FILE]
    words += ["--holdout", _HOLDOUT_FILE, "--outputs", _PREDICTED]
    run_tidegauge(words, folder)
    return " ".join(["tidegauge", *words])


def run_tidegauge(words: list[str], folder: Path) -> str:
    """Run a sub-command with this interpreter and return what it wrote."""
    done = subprocess.run(  # noqa: S603 - our own command, no shell
        [sys.executable, "-m", "tidegauge_distro", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_BUILD_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise CommandError(f"`tidegauge {' '.join(words)}` failed: {done.stderr.strip()}")
    return done.stdout
