"""Outputs for a reference: from a real model, for rows that it has not seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from tidegauge_drift import ProfileError, ReferenceProfile, build_file
from tidegauge_drift.profile import NumericFeature

FOREST = "forest.joblib"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with tables and fitted models."""
    path = tmp_path_factory.mktemp("models")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(1_200, 3)), columns=["b", "a", "c"])
    frame.insert(0, "id", [f"r{i}" for i in range(1_200)])
    noisy = frame["a"] + frame["b"] + rng.normal(0, 1.5, 1_200) > 0
    frame["label"] = noisy.astype(int)
    frame["p"] = rng.random(1_200)
    frame["sign"] = frame["a"] > 0
    train, valid = frame[:600], frame[600:]
    train.to_parquet(path / "train.parquet")
    valid.to_csv(path / "valid.csv", index=False)
    x, y = train[["a", "b", "c"]], train["label"]
    models: dict[str, Any] = {
        FOREST: RandomForestClassifier(20, random_state=0).fit(x, y),
        "logistic.joblib": LogisticRegression(C=0.01).fit(x, y),
        "stump.joblib": DecisionTreeClassifier(max_depth=1).fit(x, train["sign"]),
        "linear.joblib": LinearRegression().fit(x, train["c"]),
        "bare.joblib": LogisticRegression().fit(train[["b", "a", "c"]].to_numpy(), y),
        "three.joblib": LogisticRegression().fit(x, train["label"] + (train["c"] > 1)),
        "svm.joblib": LinearSVC().fit(x, y),
        "nothing.joblib": {"no": "model"},
    }
    for name, model in models.items():
        joblib.dump(model, path / name)
    return path


def _build(
    folder: Path, model: str, said: list[str] | None = None, **more: Any
) -> ReferenceProfile:
    options: dict[str, Any] = {"holdout": folder / "valid.csv", "target": "label", **more}
    say = said.append if said is not None else (lambda _: None)
    return build_file(folder / "train.parquet", model=folder / model, say=say, **options)


def test_a_models_outputs_are_for_the_rows_held_out(folder: Path) -> None:
    """Its own columns in its own order are the inputs; the rest is dropped, and that is said."""
    said: list[str] = []
    profile = _build(folder, FOREST, said)
    valid = pd.read_csv(folder / "valid.csv")
    forest = joblib.load(folder / FOREST)
    scores = forest.predict_proba(valid[["a", "b", "c"]])[:, 1]
    output = profile.outputs[0]
    assert isinstance(output, NumericFeature)

    assert [(f.name, f.position) for f in profile.features] == [("a", 0), ("b", 1), ("c", 2)]
    assert (profile.rows, output.name, output.rows) == (600, "1", 600)
    assert output.mean == pytest.approx(scores.mean(), rel=1e-12)
    train = pd.read_parquet(folder / "train.parquet")
    seen, new = (
        (forest.predict(rows[["a", "b", "c"]]) == rows["label"]).mean() for rows in (train, valid)
    )
    assert seen > new + 0.2
    assert said == [
        "columns that are not the model's: id, label, p, sign",
        f"accuracy {seen:.3f} on train.parquet, {new:.3f} on valid.csv",
    ]


@pytest.mark.parametrize(
    ("model", "operation", "names"),
    [
        ("logistic.joblib", "", ["1"]),
        ("logistic.joblib", "predict", ["output"]),
        ("logistic.joblib", "decision_function", ["output"]),
        ("linear.joblib", "", ["output"]),
        ("three.joblib", "", ["0", "1", "2"]),
        ("svm.joblib", "", ["output"]),
    ],
)
def test_outputs_are_named_as_live_ones_are(
    folder: Path, model: str, operation: str, names: list[str]
) -> None:
    """By class, of two classes the second one; one alone is the output."""
    profile = _build(folder, model, operation=operation)

    assert names == [feature.name for feature in profile.outputs]
    assert all(feature.rows == 600 for feature in profile.outputs)


def test_a_model_without_names_gets_the_tables_columns(folder: Path) -> None:
    """All that are not set apart, in the table's order."""
    profile = _build(folder, "bare.joblib", drop=("id", "p", "sign"))

    assert [f.name for f in profile.features] == ["b", "a", "c"]
    with pytest.raises(ProfileError, match=r"got 4 columns .* expected the 3 that the model was"):
        _build(folder, "bare.joblib", drop=("id", "p"))


def test_outputs_in_sample_are_refused_where_they_look_better(folder: Path) -> None:
    """A forest knows its rows by heart; one threshold is as good on others."""
    with pytest.raises(ProfileError, match=r"in_sample: got accuracy 0\.99. on train\.parq"):
        _build(folder, FOREST, in_sample=True)
    profile = _build(folder, "stump.joblib", in_sample=True, target="sign")

    assert [feature.rows for feature in profile.outputs] == [1_200]


def test_outputs_out_of_fold_are_in_the_table(folder: Path) -> None:
    """They are no inputs."""
    profile = build_file(folder / "train.parquet", oof=("p",), target="label", drop=("sign",))

    assert [f.name for f in profile.features] == ["b", "a", "c"]
    assert [(f.name, f.rows) for f in profile.outputs] == [("p", 600)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "nothing.joblib"}, "model: got dict from nothing.joblib; expected a fitted"),
        ({"model": "train.parquet"}, "model: got .* while loading train.parquet; expected a file"),
        ({"model": FOREST, "target": "y"}, "target: got 'y' .* expected a column of train.parq"),
        ({"model": FOREST, "drop": ("a",)}, "model: got a table without a from the argument"),
        ({"model": "svm.joblib", "operation": "predict_proba"}, "operation: got 'predict_proba'"),
        (
            {"model": FOREST, "holdout": "train.parquet"},
            "holdout: got train.parquet, the table its",
        ),
        ({"model": FOREST, "holdout": None, "in_sample": True}, "outputs: got in_sample without a"),
        (
            {"model": FOREST, "in_sample": True, "target": ""},
            "in_sample: got true without a target",
        ),
        ({"model": FOREST, "oof": ("p",)}, "oof: got outputs out of fold beside a holdout or a"),
        ({"oof": ("q",), "holdout": None}, "oof: got q from the argument; expected columns of tr"),
    ],
)
def test_what_does_not_fit_is_refused(folder: Path, options: dict[str, Any], message: str) -> None:
    """Each message says what to do."""
    given = {"holdout": "valid.csv", "target": "label", **options}
    for name in ("model", "holdout"):
        if given.get(name):
            given[name] = folder / given[name]
    with pytest.raises(ProfileError, match=message):
        build_file(folder / "train.parquet", **given)


def test_a_model_that_fails_on_the_rows_is_named(folder: Path, tmp_path: Path) -> None:
    """By the type of its error: the text may hold a row."""
    frame = pd.read_csv(folder / "valid.csv")
    frame["a"] = frame["a"].astype(object)
    frame.loc[3, "a"] = "secret"
    frame.to_csv(tmp_path / "valid.csv", index=False)
    with pytest.raises(ProfileError, match="model: got ValueError from predict") as caught:
        _build(folder, "logistic.joblib", holdout=tmp_path / "valid.csv")

    assert "secret" not in str(caught.value)
