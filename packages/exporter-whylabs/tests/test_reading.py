"""Profiles merge, and are compared with tables and with each other."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from tidegauge.batch import Batch, ModelKey
from tidegauge.command import CommandError
from tidegauge.features import FeatureSettings
from tidegauge_exporter_whylabs.backlog import Taken
from tidegauge_exporter_whylabs.profiler import Profiler
from tidegauge_exporter_whylabs.reading import MOST_VALUES, WhylogsReader
from tidegauge_testkit.batches import NOON_S, batch, table
from tidegauge_testkit.contracts.commands import Recorder, run

pytest.importorskip("whylogs", reason="needs whylogs, which has no wheels above Python 3.12")

from whylogs.core import DatasetProfileView

CHURN = ModelKey("churn", "1")


def profile(
    *batches: Batch, folder: Path, worker: str = "w", choice: FeatureSettings | None = None
) -> Path:
    """Write the profile of some rows of one model, as a worker does."""
    profiler = Profiler(worker, 3600, choice or FeatureSettings())
    profiler.take([Taken(each, each.end_times.size, 0) for each in batches], NOON_S)
    (found,) = profiler.all()
    path = folder / f"{found.id}.bin"
    path.write_bytes(found.content())
    return path


def rows(number: int, seed: int, shift: float = 0.0, **more: Any) -> tuple[Batch, pd.DataFrame]:
    """Return rows of numbers, categories and an output, as a batch and as a frame."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "amount": rng.normal(shift, 1.0, number),
            "age": rng.integers(18, 80, number).astype(float),
            "country": rng.choice(["de", "us", "fr"], number, p=[0.5, 0.3, 0.2]),
            "member": rng.random(number) < 0.5,
        }
    )
    frame.loc[rng.random(number) < 0.1, "amount"] = np.nan
    score = rng.random(number)
    columns = {
        str(name): values.to_numpy() if values.dtype == float else values.tolist()
        for name, values in frame.items()
    }
    return batch(features=table(columns), outputs=table({"": score}), **more), frame.assign(
        output=score
    )


def view(path: Path) -> Any:
    """Read a profile with whylogs."""
    return DatasetProfileView.deserialize(path.read_bytes())


def counted(path: Path) -> int:
    """Return how many rows a profile has."""
    return int(view(path).get_column("amount").get_metric("counts").n.value)


# -- tidegauge profiles merge --------------------------------------------------------------------


def test_profiles_of_workers_merge(tmp_path: Path) -> None:
    """Into one of all rows, with what numpy says of them together."""
    values = []
    for worker in range(4):
        some, frame = rows(500, worker)
        profile(some, folder=tmp_path, worker=f"w{worker}")
        values.append(frame["amount"].dropna())
    target = tmp_path / "out" / "fraud.bin"
    found = run("profiles merge", tmp_path, "-o", target)
    assert (0, [f"{target}: 4 profiles, 2,000 rows"]) == (found.status, found.lines)
    assert [("merging profiles", 4)] == found.tracked
    joined = np.concatenate(values)
    said = view(target).get_column("amount").to_summary_dict()
    assert (2000, joined.size) == (said["counts/n"], said["distribution/n"])
    assert joined.mean() == pytest.approx(said["distribution/mean"], rel=1e-9)
    assert "2000" == view(target).metadata["tidegauge.rows_offered"]
    assert "whylabs.traceId" not in view(target).metadata


def test_models_are_not_mixed(tmp_path: Path) -> None:
    """Each has a file; one file of two models is refused, and one of them can be chosen."""
    profile(rows(50, 0)[0], folder=tmp_path)
    profile(rows(60, 1, key=CHURN)[0], folder=tmp_path)
    run("profiles merge", tmp_path)
    written = {path.name: counted(path) for path in (tmp_path / "merged").iterdir()}
    assert {"churn_1.bin": 60, "fraud_3.bin": 50} == written
    with pytest.raises(CommandError, match="expected one model and version for -o"):
        run("profiles merge", tmp_path, "-o", tmp_path / "out" / "all.bin")
    run("profiles merge", tmp_path, "--model", "churn", "-o", tmp_path / "out" / "churn.bin")
    assert 60 == counted(tmp_path / "out" / "churn.bin")


def test_intervals_are_kept_apart_where_that_is_asked_for(tmp_path: Path) -> None:
    """Then only workers and hosts are merged."""
    for number, at_s in enumerate((NOON_S, NOON_S, NOON_S + 3600)):
        profile(rows(50, number, at_s=at_s)[0], folder=tmp_path, worker=f"w{number}")
    run("profiles merge", tmp_path, "--by-interval")
    written = {path.name: counted(path) for path in (tmp_path / "merged").iterdir()}
    assert {"fraud_3_20261119T120000Z.bin": 100, "fraud_3_20261119T130000Z.bin": 50} == written


def test_profiles_of_whylogs_itself_merge(tmp_path: Path) -> None:
    """They say of no model."""
    whylogs = pytest.importorskip("whylogs")
    for number in range(2):
        frame = pd.DataFrame({"amount": np.arange(10.0)})
        (tmp_path / f"{number}.bin").write_bytes(whylogs.log(frame).view().serialize())
    run("profiles merge", tmp_path)
    assert 20 == counted(tmp_path / "merged" / "all.bin")


@pytest.mark.parametrize(
    ("files", "words", "message"),
    [
        ({}, [], "expected whylogs profiles. Name the folder of TIDEGAUGE_WHYLABS_DIR."),
        ({"a.bin": b"nonsense"}, [], "expected a whylogs profile as whylogs 1 writes it."),
        ({"a.bin": b"WHY1"}, [], "expected a whylogs profile as whylogs 1 writes it."),
    ],
)
def test_what_cannot_be_merged_is_said(
    tmp_path: Path, files: dict[str, bytes], words: list[str], message: str
) -> None:
    """In one line, and nothing is written."""
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(CommandError) as caught:
        run("profiles merge", tmp_path, *words)
    assert message in str(caught.value)
    assert not (tmp_path / "merged").exists()


def test_a_merge_into_its_own_folder_is_refused(tmp_path: Path) -> None:
    """The next one would count the rows twice."""
    profile(rows(50, 0)[0], folder=tmp_path)
    with pytest.raises(CommandError, match="would count its rows twice"):
        run("profiles merge", tmp_path, "-o", tmp_path / "all.bin")


# -- what stands for rows ------------------------------------------------------------------------


def test_few_rows_are_all_there(tmp_path: Path) -> None:
    """Below what a sketch keeps exactly, the values are those that were given."""
    some, frame = rows(900, 3)
    found = WhylogsReader().read(profile(some, folder=tmp_path))
    assert [900, *[900] * 5] == [found.rows, *map(len, found.columns.values())]
    amount = found.columns["amount"]
    assert np.sort(frame["amount"].dropna()).tolist() == np.sort(amount[~np.isnan(amount)]).tolist()
    assert frame["amount"].isna().sum() == np.isnan(amount).sum()
    assert Counter(frame["country"]) == Counter(found.columns["country"])
    assert Counter(frame["member"]) == Counter(found.columns["member"])
    assert {"output": ""} == found.outputs


def test_many_rows_are_stood_for_within_the_error_of_the_sketch(tmp_path: Path) -> None:
    """The largest distance of both distributions is that of the sketch and no more."""
    parts = [rows(10_000, seed) for seed in range(6)]
    found = WhylogsReader().read(profile(*(some for some, _ in parts), folder=tmp_path))
    frame = pd.concat([frame for _, frame in parts])
    assert [60_000, *[MOST_VALUES] * 5] == [found.rows, *map(len, found.columns.values())]
    amount = found.columns["amount"]
    distance = stats.ks_2samp(frame["amount"].dropna(), amount[~np.isnan(amount)]).statistic
    assert distance < 2 * 0.0028
    assert frame["amount"].isna().mean() == pytest.approx(np.isnan(amount).mean(), abs=1e-4)
    shares = pd.Series(found.columns["country"]).value_counts(normalize=True)
    assert frame["country"].value_counts(normalize=True).to_dict() == pytest.approx(
        shares.to_dict(), abs=1e-4
    )
    numbers = amount[~np.isnan(amount)]
    assert (frame["amount"].min(), frame["amount"].max()) == (numbers.min(), numbers.max())


def test_what_stands_for_nothing_says_why(tmp_path: Path) -> None:
    """A verdict on it would be a lie."""
    rng = np.random.default_rng(0)
    columns = {
        "user": [f"u{k}" for k in range(3000)],
        "row": np.arange(3000.0),
        "text": ["x" * 500] * 3000,
        "mixed": ["a", "b", 1.5] * 1000,
        "fine": rng.normal(size=3000),
    }
    found = WhylogsReader().read(profile(batch(features=table(columns)), folder=tmp_path))
    assert {
        "user": "left out: it has more categories than the profile keeps",
        "row": "left out: names rows: integers that are nearly all distinct",
        "text": "left out: the profile has cut off its texts",
        "mixed": "left out: the profile has numbers among its categories",
    } == found.left_out
    hashed = profile(
        batch(features=table({"c": ["de", "us"] * 50})), folder=tmp_path, worker="h",
        choice=FeatureSettings(hash_categories=True),
    )  # fmt: skip
    said = WhylogsReader().read(hashed).left_out
    assert {"c": "left out: the profile has hashes of its categories"} == said


# -- tidegauge drift report ----------------------------------------------------------------------


def verdicts(found: Recorder) -> dict[str, Any]:
    """Return the verdict on each feature of a report as JSON."""
    report = json.loads(found.written)
    return {feature["name"]: feature["drifted"] for feature in report["features"]}


@pytest.fixture
def sides(tmp_path: Path) -> dict[str, Path]:
    """Return the same reference and a drifted current, as profiles and as tables."""
    before, before_frame = rows(5000, 1)
    after, after_frame = rows(5000, 2, shift=0.5)
    same, same_frame = rows(5000, 3)
    found = {}
    for name, some, frame in (
        ("before", before, before_frame), ("after", after, after_frame), ("same", same, same_frame)
    ):  # fmt: skip
        found[name] = profile(some, folder=tmp_path, worker=name)
        found[f"{name}.csv"] = tmp_path / f"{name}.csv"
        frame.to_csv(found[f"{name}.csv"], index=False)
    return found


@pytest.mark.parametrize("reference", ["before", "before.csv"])
@pytest.mark.parametrize("suffix", ["", ".csv"])
def test_a_profile_is_a_side_of_a_report(
    sides: dict[str, Path], reference: str, suffix: str
) -> None:
    """As reference, as current or as both, with the verdicts that the tables themselves get."""
    drifted = run("drift report", sides[reference], sides["after" + suffix], "--json", "-")
    expected = {"amount": True, "age": False, "country": False, "member": False, "output": False}
    assert expected == verdicts(drifted)
    clean = run("drift report", sides[reference], sides["same" + suffix], "--json", "-")
    assert dict.fromkeys(expected, False) == verdicts(clean)


def test_statistics_of_profiles_are_those_of_their_tables(sides: dict[str, Path]) -> None:
    """PSI and KS from sketches, within their error."""
    as_json = ("--json", "-")
    profiles, tables = (
        json.loads(run("drift report", sides["before" + s], sides["after" + s], *as_json).written)
        for s in ("", ".csv")
    )  # fmt: skip
    for of_profile in profiles["features"]:
        (of_table,) = (f for f in tables["features"] if f["name"] == of_profile["name"])
        for name, absolute in (("psi", 0.02), ("ks", 2 * 2 * 0.0028)):
            found, expected = (f["statistics"][name]["value"] for f in (of_profile, of_table))
            assert (found is None) == (expected is None)
            assert expected is None or abs(found - expected) < absolute
    assert (5000, 5000) == (profiles["reference"]["rows"], profiles["current"]["rows"])
    outputs = {f["name"] for f in profiles["features"] if f["family"] == "outputs"}
    assert {"output"} == outputs


def test_the_report_says_what_it_is_of(sides: dict[str, Path]) -> None:
    """Values that stand for rows are no rows."""
    found = run("drift report", sides["before"], sides["after.csv"])
    assert (
        "The reference is a whylogs profile of 5,000 rows: 4,931 values stand for each column, as "
        "many as the profile is exact for, and its own statistics are of them."
    ) in found.lines


def test_a_reference_file_is_compared_with_a_profile(
    sides: dict[str, Path], tmp_path: Path
) -> None:
    """Outputs too: they have the names of the reference there."""
    from tidegauge_drift import build, save

    frame = pd.read_csv(sides["before.csv"])
    built = build(frame.drop(columns="output"), outputs=frame[["output"]].rename(
        columns={"output": "score"}))  # fmt: skip
    save(built, tmp_path / "fraud.reference.json")
    found = run("drift report", tmp_path / "fraud.reference.json", sides["after"], "--json", "-")
    expected = {"amount": True, "age": False, "country": False, "member": False, "score": False}
    assert expected == verdicts(found)


@pytest.mark.parametrize("words", [["--segment", "country"], ["--multivariate"]])
def test_what_needs_rows_is_refused(sides: dict[str, Path], words: list[str]) -> None:
    """With the reason."""
    with pytest.raises(CommandError, match="which has no rows any more; expected a table"):
        run("drift report", sides["before"], sides["after"], *words)


def test_a_column_that_stands_for_nothing_has_no_verdict(tmp_path: Path) -> None:
    """And the report says why."""
    paths = [
        profile(batch(features=table({"user": [f"u{seed}{k}" for k in range(3000)],
                                      "x": np.random.default_rng(seed).normal(size=3000)})),
                folder=tmp_path, worker=f"w{seed}")
        for seed in range(2)
    ]  # fmt: skip
    found = json.loads(run("drift report", *paths, "--json", "-").written)
    said = {feature["name"]: feature["reason"] for feature in found["features"]}
    assert "left out: it has more categories than the profile keeps" == said["user"]
    assert "" == said["x"]


def test_integers_in_a_wide_range_are_not_taken_for_row_numbers(tmp_path: Path) -> None:
    """Though the quantiles that stand for them only rise, they have no order."""
    paths = [
        profile(batch(np.random.default_rng(seed).integers(0, 100_000, (60_000, 1)).astype(float),
                      names=("postcode",)),
                folder=tmp_path, worker=f"w{seed}")
        for seed in range(2)
    ]  # fmt: skip
    assert {"postcode": False} == verdicts(run("drift report", *paths, "--json", "-"))


@pytest.mark.backends  # needs no service, but long
def test_clean_profiles_are_not_flagged(tmp_path: Path) -> None:
    """Large ones, of which only sketches are left, forty features at once."""
    names = tuple(f"f{j}" for j in range(40))
    paths = [
        profile(batch(np.random.default_rng(seed).lognormal(size=(30_000, 40)), names=names),
                folder=tmp_path, worker=f"w{seed}" )
        for seed in range(2)
    ]  # fmt: skip
    found = run("drift report", *paths, "--json", "-")
    assert {False} == set(verdicts(found).values())
