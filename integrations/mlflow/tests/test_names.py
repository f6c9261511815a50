"""By which name and version a model goes: the registry's, wherever it is loaded from."""

from __future__ import annotations

import copy
import json
import threading
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tidegauge import set_model_info
from tidegauge.configuration import CoreSettings
from tidegauge_mlflow import MlflowInstrumentor, _loading
from tidegauge_mlflow._source import Source, folder_of, parse, registered_as, registered_in
from tidegauge_testkit.recording import Recording

from .conftest import Registry

RUN = "0123456789abcdef0123456789abcdef"


def called(recording: Recording, model: Any, rows: pd.DataFrame) -> tuple[str, str]:
    """Predict once and return the name and version that the call is counted under."""
    before = recording.versions()
    model.predict(rows)
    (found,) = recording.versions() - before
    return found


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("models:/fraud/3", ("fraud", "3")),
        ("models:/fraud@champion", ("fraud", "2")),
        ("models:/fraud/latest", ("fraud", "3")),
        ("models:/fraud/Production", ("fraud", "1")),
    ],
)
def test_a_registered_model_has_its_name_and_the_version_that_the_registry_gave(
    recording: Recording,
    registry: Registry,
    rows: pd.DataFrame,
    uri: str,
    expected: tuple[str, str],
) -> None:
    """Also where the URI says an alias or a stage: MLflow asked what that is, not we."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # stages are deprecated
        model = registry.mlflow.pyfunc.load_model(uri)
    assert called(recording, model, rows) == expected
    assert recording.faults() == {}


def test_a_run_and_a_folder_give_their_base_name(
    recording: Recording, registry: Registry, rows: pd.DataFrame, tmp_path: Path, classifier: Any
) -> None:
    """A name that the app has chosen; never a path, an id, or a folder that MLflow made up."""
    load = registry.mlflow.pyfunc.load_model
    assert called(recording, load(f"runs:/{registry.unregistered}/scores"), rows) == ("scores", "")
    for place in (tmp_path / "churn", tmp_path / "tmp1a2b3c4d", tmp_path / "model"):
        registry.mlflow.sklearn.save_model(
            classifier, place, serialization_format="cloudpickle", pip_requirements=[]
        )
    assert called(recording, load(tmp_path / "churn"), rows) == ("churn", "")
    (tmp_path / "churn").rename(tmp_path / "churn2")
    assert called(recording, load((tmp_path / "churn2").as_uri()), rows) == ("churn2", "")
    unnamed = ("PyFuncModel[LogisticRegression]", "")
    assert called(recording, load(str(tmp_path / "model")), rows) == unnamed
    other = load(str(tmp_path / "tmp1a2b3c4d"))
    other.predict(rows)
    assert {name for name, _ in recording.versions()} == {"scores", "churn", "churn2", unnamed[0]}


def test_a_logged_model_has_the_name_that_it_was_registered_by(
    recording: Recording, registry: Registry, rows: pd.DataFrame, classifier: Any
) -> None:
    """``models:/m-<id>`` is what ``log_model`` returns: its id is no name for an alert."""
    model = registry.mlflow.pyfunc.load_model(f"models:/{registry.model_id}")
    assert called(recording, model, rows) == ("fraud", "3")
    registry.mlflow.pyfunc.load_model(f"runs:/{registry.run_id}/model").predict(rows)
    # MLflow 3.0 fetches what a run has without asking which logged model that is.
    assert recording.versions() <= {("fraud", "3"), ("PyFuncModel[LogisticRegression]", "")}
    with registry.run():
        info = registry.mlflow.sklearn.log_model(
            classifier, name="unregistered", serialization_format="cloudpickle", pip_requirements=[]
        )
    model = registry.mlflow.pyfunc.load_model(info.model_uri)
    assert called(recording, model, rows) == ("unregistered", "")


def test_a_folder_that_came_from_the_registry_says_so(
    recording: Recording, registry: Registry, rows: pd.DataFrame, tmp_path: Path
) -> None:
    """The model server and its containers load such a folder, not the URI that they were given."""
    folder = registry.mlflow.artifacts.download_artifacts(
        "models:/fraud@champion", dst_path=str(tmp_path)
    )
    assert called(recording, registry.mlflow.pyfunc.load_model(folder), rows) == ("fraud", "2")


@pytest.mark.usefixtures("estimators")
def test_the_librarys_own_object_has_the_same_name(
    recording: Recording, registry: Registry, rows: pd.DataFrame
) -> None:
    """Whether a flavour loads it or pyfunc holds it: another integration counts its calls."""
    native = registry.mlflow.sklearn.load_model("models:/fraud/1")
    native.predict_proba(rows)
    held = registry.mlflow.pyfunc.load_model("models:/fraud@champion").get_raw_model()
    held.predict_proba(rows)
    assert recording.versions() == {("fraud", "1"), ("fraud", "2")}
    assert recording.rows().seen == 2 * len(rows)


def test_what_the_app_says_comes_first_and_the_environment_last(
    registry: Registry, instrumented: MlflowInstrumentor, rows: pd.DataFrame
) -> None:
    """Explicit before the registry before TIDEGAUGE_MODEL_NAME before the base name."""
    load = registry.mlflow.pyfunc.load_model
    with Recording(CoreSettings(model_name="churn", model_version="9")) as recording:
        assert called(recording, load("models:/fraud/1"), rows) == ("fraud", "1")
        assert called(recording, load(f"runs:/{registry.unregistered}/scores"), rows) == (
            "churn",
            "9",
        )
        explicit = load("models:/fraud/3")
        set_model_info(explicit, "payments", "7")
        assert called(recording, explicit, rows) == ("payments", "7")
    with Recording(CoreSettings(model_name="scores=risk")) as recording:
        assert called(recording, load(f"runs:/{registry.unregistered}/scores"), rows) == (
            "risk",
            "",
        )


def test_models_that_load_at_a_time_do_not_mix(
    recording: Recording, registry: Registry, rows: pd.DataFrame
) -> None:
    """Four threads load four versions."""
    uris = ["models:/fraud/1", "models:/fraud@champion", "models:/fraud/3", "models:/fraud/latest"]
    models: dict[str, Any] = {}
    gate = threading.Barrier(len(uris))

    def load(uri: str) -> None:
        gate.wait(30)
        models[uri] = registry.mlflow.pyfunc.load_model(uri)

    threads = [threading.Thread(target=load, args=(uri,)) for uri in uris]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for uri in uris[:2]:
        models[uri].predict(rows)
    assert recording.versions() == {("fraud", "1"), ("fraud", "2")}
    for uri in uris[2:]:
        models[uri].predict(rows)
    assert recording.versions() == {("fraud", "1"), ("fraud", "2"), ("fraud", "3")}


def test_a_load_that_fails_raises_what_mlflow_raises(
    recording: Recording, registry: Registry, rows: pd.DataFrame, tmp_path: Path
) -> None:
    """And leaves nothing behind: the next load has its own name, the thread records again."""
    with pytest.raises(registry.mlflow.exceptions.MlflowException, match="not found"):
        registry.mlflow.pyfunc.load_model("models:/fraud/99")
    with pytest.raises((registry.mlflow.exceptions.MlflowException, OSError), match="nowhere"):
        registry.mlflow.pyfunc.load_model(str(tmp_path / "nowhere"))
    with pytest.raises(TypeError, match="model_uri"):
        registry.mlflow.pyfunc.load_model()
    model = registry.mlflow.pyfunc.load_model(model_uri="models:/fraud/3")
    assert called(recording, model, rows) == ("fraud", "3")
    assert _loading._under_way.get() is None
    assert recording.faults() == {}


def test_a_model_that_nobody_loaded_goes_by_its_class(
    recording: Recording, registry: Registry, rows: pd.DataFrame
) -> None:
    """A copy is another object: name it with ``set_model_info``."""
    model = copy.copy(registry.mlflow.pyfunc.load_model("models:/fraud/3"))
    assert called(recording, model, rows) == ("PyFuncModel[LogisticRegression]", "")


def test_before_mlflow_was_instrumented_models_have_no_name(
    registry: Registry, rows: pd.DataFrame
) -> None:
    """They are recorded all the same."""
    model = registry.mlflow.pyfunc.load_model("models:/fraud/3")
    instrumentor = MlflowInstrumentor()
    instrumentor.instrument(skip_dep_check=True)
    try:
        with Recording() as recording:
            assert called(recording, model, rows) == ("PyFuncModel[LogisticRegression]", "")
    finally:
        instrumentor.uninstrument()


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("models:/fraud/3", Source("fraud", "3")),
        ("models://profile@databricks/fraud/3", Source("fraud", "3")),
        ("models:/main.risk.fraud/12/sub/folder", Source("main.risk.fraud", "12")),
        ("models:/a@b@champion", Source("a@b")),
        ("models:/fraud/Production", Source("fraud")),
        (f"models:/m-{RUN}", Source()),
        ("models:/", Source()),
        (f"runs:/{RUN}/folder/churn", Source(file="churn")),
        (f"runs:/{RUN}", Source()),
        (f"s3://bucket/0/models/m-{RUN}/artifacts", Source()),
        ("s3://bucket/churn/", Source(file="churn")),
        ("mlflow-artifacts:/0/churn", Source(file="churn")),
        ("file:///srv/models/churn", Source(file="churn")),
        ("/srv/models/churn", Source(file="churn")),
        (Path("/srv/models/churn"), Source(file="churn")),
        ("C:\\models\\churn", Source(file="churn")),
        ("churn", Source(file="churn")),
        ("/srv/tmpab12_z9q", Source()),
        ("", Source()),
        (None, Source()),
        (7, Source(file="7")),
    ],
)
def test_what_a_uri_says(uri: object, expected: Source) -> None:
    """Whatever a loader is given, a name or nothing comes out."""
    assert parse(uri) == expected


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("/srv/model", Path("/srv/model")),
        ("file:///srv/my%20model", Path("/srv/my model")),
        ("model", Path("model")),
        ("models:/fraud/3", None),
        ("", None),
        (None, None),
    ],
)
def test_which_folder_a_uri_means(uri: object, expected: Path | None) -> None:
    """Only local ones can be looked into."""
    assert folder_of(uri) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model_name: fraud\nmodel_version: '3'\n", Source("fraud", "3")),
        ("model_name: fraud\nmodel_version: 3\n", Source("fraud", "3")),
        ("model_name: null\nmodel_version: null\n", Source()),
        ("", Source()),
    ],
)
def test_what_mlflow_leaves_in_a_folder(tmp_path: Path, text: str, expected: Source) -> None:
    """A logged model that is not registered leaves nulls."""
    (tmp_path / "registered_model_meta").write_text(text)
    assert registered_in(tmp_path) == expected
    assert registered_in(tmp_path / "nowhere") == registered_in(None) == Source()


def test_a_logged_model_of_several_versions_has_none_of_their_names() -> None:
    """Nobody can say which of them is meant."""
    one, other = {"name": "fraud", "version": 1}, {"name": "risk", "version": 4}
    assert registered_as({"mlflow.modelVersions": json.dumps([other])}) == Source("risk", "4")
    assert registered_as({"mlflow.modelVersions": json.dumps([one, other])}) == Source()
    assert registered_as({}) == Source()


def test_a_version_that_is_listed_twice_is_one() -> None:
    """The tracking server writes it down, and so does the client: one a number, one a text."""
    twice = [{"name": "fraud", "version": version} for version in (3, "3")]
    assert registered_as({"mlflow.modelVersions": json.dumps(twice)}) == Source("fraud", "3")
