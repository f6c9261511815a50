"""``tidegauge reference upload whylabs`` as a user runs it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tidegauge.command import CommandError
from tidegauge_testkit.backends.ports import free_port
from tidegauge_testkit.contracts.commands import run

pytest.importorskip("whylogs", reason="needs whylogs, which has no wheels above Python 3.12")

from tidegauge_testkit.whylabs_platform import KEY, Reply, WhylabsPlatform
from whylogs.core import DatasetProfileView


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> Iterator[WhylabsPlatform]:
    """Serve a platform, and set all that leads to it."""
    with WhylabsPlatform() as served:
        for name, value in {
            "WHYLABS_API_ENDPOINT": served.url,
            "WHYLABS_API_KEY": KEY,
            "WHYLABS_DEFAULT_ORG_ID": "org-1",
            "WHYLABS_DEFAULT_DATASET_ID": "model-1",
        }.items():
            monkeypatch.setenv(name, value)
        yield served
    assert [] == served.faults


@pytest.fixture
def frame() -> pd.DataFrame:
    """Return what a model was trained on."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "amount": np.where(rng.random(1000) < 0.2, np.nan, rng.normal(size=1000)),
            "country": rng.choice(["de", "us"], 1000),
            "n": rng.integers(0, 5, 1000),
            "score": rng.random(1000),
            "label": rng.integers(0, 2, 1000),
        }
    )


def summary(content: bytes, name: str) -> dict[str, Any]:
    """Return all that whylogs says of a column."""
    return dict(DatasetProfileView.deserialize(content).get_column(name).to_summary_dict())


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "tsv", "parquet"])
def test_a_table_is_profiled_and_sent(
    platform: WhylabsPlatform, frame: pd.DataFrame, tmp_path: Path, suffix: str
) -> None:
    """Under its own name; the model's only output is called as it is where it is served."""
    path = tmp_path / f"train.{suffix}"
    if suffix == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if suffix == "tsv" else ",")
    found = run("reference upload", "whylabs", path, "--outputs", "score", "--drop", "label")
    (sent,) = platform.uploads()
    assert ("train", "org-1", "model-1") == (sent.alias, sent.org, sent.dataset)
    assert [f"train: {len(sent.content):,} bytes to model-1 of org-1 at {platform.url}"] == (
        found.lines
    )
    columns = DatasetProfileView.deserialize(sent.content).get_columns()
    assert {"amount", "country", "n", "output"} == set(columns)
    amount = summary(sent.content, "amount")
    assert (1000, frame["amount"].isna().sum()) == (amount["counts/n"], amount["counts/null"])
    assert frame["amount"].mean() == pytest.approx(amount["distribution/mean"], rel=1e-9)
    assert 1000 == summary(sent.content, "n")["types/integral"]
    assert 2 == round(summary(sent.content, "country")["cardinality/est"])
    assert frame["score"].mean() == pytest.approx(
        summary(sent.content, "output")["distribution/mean"], rel=1e-9
    )


def test_a_profile_is_sent_as_it_is(
    platform: WhylabsPlatform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the dataset of a model, under a name of one's own."""
    whylogs = pytest.importorskip("whylogs")
    path = tmp_path / "week.bin"
    path.write_bytes(whylogs.log(pd.DataFrame({"amount": np.arange(10.0)})).view().serialize())
    monkeypatch.setenv("TIDEGAUGE_WHYLABS_DATASETS", "fraud model=model-7")
    run("reference upload", "whylabs", path, "--name", "good week", "--model", "fraud model")
    (sent,) = platform.uploads()
    assert ("good week", "model-7") == (sent.alias, sent.dataset)
    assert 10 == summary(sent.content, "amount")["counts/n"]


@pytest.mark.parametrize(
    "case",
    [
        ("WHYLABS_API_KEY", [], "WHYLABS_API_KEY: got nothing from the environment; "),
        ("WHYLABS_DEFAULT_ORG_ID", [], "WHYLABS_DEFAULT_ORG_ID: got nothing"),
        ("WHYLABS_DEFAULT_DATASET_ID", [], "WHYLABS_DEFAULT_DATASET_ID: got nothing"),
        ("NOTHING", ["--drop", "lable"], "got no column lable from the file; "),
    ],
)
def test_what_is_missing_is_said(
    platform: WhylabsPlatform,
    frame: pd.DataFrame,
    tmp_path: Path,
    case: tuple[str, list[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before anything is sent."""
    unset, words, message = case
    monkeypatch.delenv(unset, raising=False)
    frame.to_csv(tmp_path / "train.csv", index=False)
    with pytest.raises(CommandError) as caught:
        run("reference upload", "whylabs", tmp_path / "train.csv", *words)
    assert message in str(caught.value)
    assert [] == platform.requests


@pytest.mark.parametrize("name", ["gone.csv", "gone.bin", "train.json", "gone.parquet"])
def test_a_file_that_cannot_be_read_is_said(platform: WhylabsPlatform, name: str) -> None:
    """With its name."""
    with pytest.raises(CommandError, match=rf"^{name}: got "):
        run("reference upload", "whylabs", name)
    assert [] == platform.requests


def test_values_without_a_name_are_refused(platform: WhylabsPlatform, tmp_path: Path) -> None:
    """A value more than names in each row: the first would be no data, the rest misnamed."""
    (tmp_path / "train.csv").write_text("amount,n\n1.5,2,9\n2.5,3,9\n", encoding="utf-8")
    with pytest.raises(CommandError, match="got rows with more values than there are names"):
        run("reference upload", "whylabs", tmp_path / "train.csv")
    assert [] == platform.requests


def test_a_comma_at_the_end_of_rows_moves_no_value(
    platform: WhylabsPlatform, tmp_path: Path
) -> None:
    """Some programs write one."""
    (tmp_path / "train.csv").write_text("amount,n\n1.5,2,\n2.5,3,\n", encoding="utf-8")
    run("reference upload", "whylabs", tmp_path / "train.csv")
    (sent,) = platform.uploads()
    assert 2.5 == summary(sent.content, "amount")["distribution/max"]
    assert 3.0 == summary(sent.content, "n")["distribution/max"]


def test_a_refusal_is_said(platform: WhylabsPlatform, tmp_path: Path, frame: pd.DataFrame) -> None:
    """Without the key."""
    platform.replies.append(Reply(403, body=f"not {KEY}".encode()))
    frame.to_csv(tmp_path / "train.csv", index=False)
    with pytest.raises(CommandError) as caught:
        run("reference upload", "whylabs", tmp_path / "train.csv")
    assert str(caught.value) == (
        f"WHYLABS_API_KEY: got HTTP 403 Forbidden (not (hidden)) from {platform.url}; expected it "
        "to take a reference profile. Set it to a key that your platform has made for this "
        "organisation."
    )


def test_a_platform_that_is_down_is_said(
    platform: WhylabsPlatform, tmp_path: Path, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is kept for later: somebody waits."""
    monkeypatch.setenv("WHYLABS_API_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    frame.to_csv(tmp_path / "train.csv", index=False)
    with pytest.raises(CommandError, match="got ConnectionRefusedError from http"):
        run("reference upload", "whylabs", tmp_path / "train.csv")
