"""``tidegauge drift report`` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tidegauge.command import CommandError
from tidegauge_drift import build, save
from tidegauge_testkit.contracts.commands import Recorder, run

DATA = Path(__file__).parent / "data"


def _run(*arguments: object) -> Recorder:
    return run("drift report", *arguments)


@pytest.fixture
def tables(tmp_path: Path) -> tuple[Path, Path]:
    """Return a reference and a current table with one drifted feature."""
    rng = np.random.default_rng(0)

    def table(n: int, shift: float) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "amount": rng.normal(shift, 1, n),
                "zip": [f"{code:05d}" for code in rng.integers(100, 120, n)],
                "member": rng.random(n) < 0.5,
                "score": rng.random(n),
                "label": 1,
                "at": pd.date_range("2026-01-01", periods=n, freq="min").astype(str),
            }
        )

    reference, current = tmp_path / "train.csv", tmp_path / "live.parquet"
    table(2_000, 0).to_csv(reference, index=False)
    table(1_000, 0.5).to_parquet(current)
    return reference, current


def test_a_table_says_which_features_drifted_and_why(tables: tuple[Path, Path]) -> None:
    """Flagged ones first; numbers that one side holds as text are numbers."""
    console = _run(*tables, "--outputs", "score", "--drop", "label")

    assert console.title == "1 of 5 features drifted: live.parquet against train.csv"
    assert console.rows[0][:3] == ["feature", "verdict", "effect"]
    assert console.rows[1][:2] == ["amount", "drifted"]
    # Not "12.3 PSI": it is a multiple of what counts, beside the PSI itself.
    assert console.rows[1][2].endswith(" x PSI 0.02")
    assert console.rows[1][-1] == ""
    by_name = {row[0]: row for row in console.rows[1:]}
    assert set(by_name) == {"amount", "zip", "member", "score (output)", "at"}
    assert {by_name[name][1] for name in ("zip", "member", "score (output)")} == {"no drift"}
    assert by_name["at"][-1].startswith("left out: ")
    assert len(console.lines) == 1
    assert console.lines[0].startswith("The order of the reference's rows is unknown")
    done = [description for description, _ in console.tracked]
    assert done == ["reading train.csv", "reading live.parquet", "comparing features"]
    assert console.status == 0


def test_the_exit_status_tells_a_pipeline(tables: tuple[Path, Path]) -> None:
    """Only with --fail-on-drift; a column that is gone is a reason too."""
    reference, current = tables
    frame = pd.read_csv(reference)
    same, gone = reference.with_name("same.csv"), reference.with_name("gone.csv")
    frame.to_csv(same, index=False)
    frame.drop(columns="member").to_csv(gone, index=False)

    for now, drifted in ((current, 1), (same, 0), (gone, 1)):
        assert _run(reference, now, "--fail-on-drift").status == drifted
        assert _run(reference, now).status == 0
    assert "missing: member" in _run(reference, gone).lines
    assert "not in the reference: member" in _run(gone, reference).lines


def test_it_writes_a_page_and_json(tables: tuple[Path, Path], tmp_path: Path) -> None:
    """Both at once; - writes JSON and nothing else to standard output."""
    page, content = tmp_path / "drift.html", tmp_path / "drift.json"
    console = _run(*tables, "--html", page, "--json", content)

    assert console.lines[-2:] == [f"wrote {page}", f"wrote {content}"]
    assert page.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert json.loads(content.read_text("utf-8"))["current"] == {
        "source": "live.parquet", "rows": 1_000, "profile": ""
    }  # fmt: skip
    piped = _run(*tables, "--json", "-", "--fail-on-drift")
    assert json.loads(piped.written)["drifted"] is True
    assert (piped.lines, piped.rows, piped.status) == ([], [], 1)


def test_a_reference_file_knows_its_outputs(tables: tuple[Path, Path]) -> None:
    """The first argument may be what ``reference build`` wrote."""
    reference, current = tables
    frame = pd.read_csv(reference, dtype={"zip": str})
    profile = reference.with_name("fraud.reference.json")
    inputs = frame.drop(columns=["label", "score", "at"])
    save(build(inputs, outputs=frame[["score"]], source="train.csv"), profile)
    console = _run(profile, current, "--drop", "label", "--drop", "at")

    assert console.title == "1 of 4 features drifted: live.parquet against fraud.reference.json"
    rows = {row[0]: row[1] for row in console.rows[1:]}
    assert rows == {
        "amount": "drifted", "zip": "no drift", "member": "no drift", "score (output)": "no drift"
    }  # fmt: skip


def test_the_order_of_time_makes_rows_count_less(tables: tuple[Path, Path]) -> None:
    """Its column is no feature."""
    console = _run(*tables, "--time-column", "at")

    assert "at" not in {row[0] for row in console.rows}
    assert console.lines == []


def test_many_features_are_not_all_listed(tmp_path: Path) -> None:
    """Those without a flag are cut off, and how many is said."""
    frame = pd.DataFrame(np.random.default_rng(1).normal(size=(100, 40)))
    path = tmp_path / "wide.csv"
    frame.to_csv(path, index=False)

    assert len(_run(path, path).rows) == 31
    assert _run(path, path).lines[0] == "10 more without a flag; --all shows them."
    assert len(_run(path, path, "--all").rows) == 41


def test_a_column_of_two_types_is_read_as_it_is_written(tmp_path: Path) -> None:
    """Numbers first and texts later, in a file of several parts."""
    path = tmp_path / "mixed.csv"
    codes = [f"{i % 9:03d}" for i in range(70_000)] + ["x"] * 3_000
    pd.DataFrame({"code": codes}).to_csv(path, index=False)
    console = _run(path, path, "--json", "-")

    (feature,) = json.loads(console.written)["features"]
    assert feature["kind"] == "categorical"
    assert ["000", 7_778] in feature["reference"]["top"]


def test_what_fails_is_one_clear_line(tables: tuple[Path, Path], tmp_path: Path) -> None:
    """A wrong path, column, level or target."""
    reference, current = tables
    broken = tmp_path / "broken.json"
    broken.write_text("{", encoding="utf-8")
    for arguments, message in (
        ((tmp_path / "no.csv", current), "got no such file"),
        ((reference, tmp_path / "live.xlsx"), "got a file of an unknown kind"),
        ((broken, current), "got no complete JSON"),
        ((reference, current, "--drop", "labl"), "drop: got 'labl'"),
        ((reference, current, "--alpha", "5"), "alpha: got 5.0"),
        ((reference, current, "--time-column", "member"), "time_column: got a column"),
        ((reference, current, "--html", tmp_path / "no" / "a.html"), "a file that can be written"),
    ):
        with pytest.raises(CommandError, match=message):
            _run(*arguments)


def test_real_flights_change_their_airlines() -> None:
    """The command on a real table, compressed."""
    console = _run(
        DATA / "flight_delays_reference.csv.gz", DATA / "flight_delays.csv.gz",
        "--drop", "Unnamed: 0", "--drop", "DATE", "--fail-on-drift",
    )  # fmt: skip

    assert console.rows[1][:2] == ["AIRLINE", "drifted"]
    assert console.status == 1
