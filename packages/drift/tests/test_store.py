"""Reference files: what is saved comes back, what is not whole is refused with advice."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tidegauge_drift import ProfileError, ReferenceProfile, build, build_file, load, save
from tidegauge_drift.layout import Layout
from tidegauge_drift.plain import to_dict
from tidegauge_drift.store import LARGEST_BYTES, _checksum, checksum, loads


@pytest.fixture
def profile() -> ReferenceProfile:
    """Return a profile with every kind of feature."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "normal": rng.normal(size=500),
            "tail": rng.lognormal(0, 3, 500),
            "zero": np.where(rng.random(500) < 0.5, 0, rng.normal(size=500)),
            "constant": 1.0,
            "wide": np.linspace(-1.0, 1.0, 500) * 1.7e308,
            "country": rng.choice(["SE", "NØ", "a\x00b😀"], 500),
            "id": [f"i{i}" for i in range(500)],
        }
    )
    return build(frame, outputs=rng.random(300), built="2026-01-02T03:04:05+00:00")


def test_a_saved_profile_comes_back_equal(profile: ReferenceProfile, tmp_path: Path) -> None:
    """Same content, same checksum, same layout; the file is all that is left behind."""
    path = tmp_path / "fraud.reference.json"
    save(profile, path)
    back = load(path)

    assert to_dict(back) == to_dict(profile)
    assert checksum(back) == checksum(profile)
    assert Layout(back).digest == Layout(profile).digest
    assert [file.name for file in tmp_path.iterdir()] == ["fraud.reference.json"]


@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o022, 0o644)])
def test_who_may_read_a_file_is_the_umasks_to_say(
    profile: ReferenceProfile, tmp_path: Path, umask: int, mode: int
) -> None:
    """It holds texts of categories; a service of another user reads it where that is allowed."""
    before = os.umask(umask)
    try:
        save(profile, tmp_path / "a.reference.json")
    finally:
        os.umask(before)
    assert mode == (tmp_path / "a.reference.json").stat().st_mode & 0o777


def test_the_reference_attribute_is_the_checksums_head(profile: ReferenceProfile) -> None:
    """Eight hex digits."""
    assert Layout(profile).reference == checksum(profile)[:8]
    assert len(Layout(profile).reference) == 8


def _document(profile: ReferenceProfile, **changes: Any) -> bytes:
    content = to_dict(profile)
    content.update(changes)
    document = {"format": 3, "checksum": _checksum(3, content), "profile": content}
    return json.dumps(document).encode()


WHOLE = "a reference profile"
BUILD = "Build it with 'tidegauge reference build'."
AGAIN = "Build it again with 'tidegauge reference build'."


@pytest.mark.parametrize(
    ("content", "got", "expected", "advice"),
    [
        (b"", "an empty file", WHOLE, BUILD),
        (b"  \n", "an empty file", WHOLE, BUILD),
        (b"a,b\n1,2\n", "no complete JSON", WHOLE, AGAIN),
        (b"\xff\xfe\x00", "no complete JSON", WHOLE, AGAIN),
        (b"[" * 100_000, "no complete JSON", WHOLE, AGAIN),
        (b"[1, 2]", "JSON of something else", WHOLE, BUILD),
        (b'{"a": 1}', "JSON of something else", WHOLE, BUILD),
        (
            b'{"format": 4, "profile": {}}',
            "format 4",
            "format 3 or older",
            "Update tidegauge-drift.",
        ),
        (b'{"format": "1", "profile": {}}', "an unknown format", "format 3", AGAIN),
        (b'{"format": true, "profile": {}}', "an unknown format", "format 3", AGAIN),
        (b'{"format": 0, "profile": {}}', "an unknown format", "format 3", AGAIN),
        (
            b'{"format": 1, "profile": {"rows": NaN}, "checksum": ""}',
            "a content that its checksum does not match",
            "a file as it was built",
            AGAIN,
        ),
    ],
)
def test_what_is_no_profile_is_refused(
    content: bytes, got: str, expected: str, advice: str, tmp_path: Path
) -> None:
    """The message says what was found and what to do."""
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ProfileError, match="from the file") as caught:
        load(path)

    assert f"{path}: got {got} from the file; expected {expected}. {advice}" == str(caught.value)


def test_a_cut_or_edited_file_is_refused(profile: ReferenceProfile, tmp_path: Path) -> None:
    """Cut anywhere: no complete JSON; a digit changed: the checksum does not match."""
    path = tmp_path / "a.json"
    save(profile, path)
    content = path.read_bytes()
    for cut in (10, len(content) // 2, len(content) - 3):
        with pytest.raises(ProfileError, match="no complete JSON"):
            loads(content[:cut])
    with pytest.raises(ProfileError, match="its checksum does not match"):
        loads(content.replace(b'"rows":500', b'"rows":501'))


@pytest.mark.parametrize(
    "changes",
    [
        {"rows": "500"}, {"rows": -1}, {"rows": True}, {"features": []}, {"features": None},
        {"features": [{}]}, {"left_out": [["a", 1]]}, {"deff": None}, {"source": 3},
        {"outputs": [{"kind": "other", "name": "a", "position": 0, "counts": [1]}]},
    ],
)  # fmt: skip
def test_wrong_types_are_refused(profile: ReferenceProfile, changes: dict[str, Any]) -> None:
    """Also where the checksum was made to fit."""
    with pytest.raises(ProfileError, match="fields of no profile"):
        loads(_document(profile, **changes))


@pytest.mark.parametrize(
    "key", ["edges", "ticks", "bins", "counts", "grid", "quartiles", "minimum"]
)
def test_a_feature_with_broken_parts_is_refused(profile: ReferenceProfile, key: str) -> None:
    """Lengths that do not fit and texts for numbers."""
    content = to_dict(profile)
    for wrong in ([1], "text", [["a"]]):
        first = {**content["features"][0], key: wrong}
        with pytest.raises(ProfileError, match="fields of no profile"):
            loads(_document(profile, features=[first]))


def test_missing_files_and_folders_are_named(profile: ReferenceProfile, tmp_path: Path) -> None:
    """Each with the advice that fits."""
    gone = tmp_path / "gone.json"
    with pytest.raises(ProfileError, match=r"gone\.json: got no such file .* Build it with"):
        load(gone)
    with pytest.raises(ProfileError, match=r"got a directory .* Name the file in it"):
        load(tmp_path)
    with pytest.raises(ProfileError, match="got 'No such file or directory' from the file system"):
        save(profile, tmp_path / "no" / "folder.json")


def test_csv_and_parquet_give_one_profile(tmp_path: Path) -> None:
    """Compressed CSV, TSV and Parquet of one table: the same features and counts."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"a": rng.normal(size=200).round(3), "b": rng.choice(["x", "y"], 200)})
    frame["label"] = rng.integers(0, 2, 200)
    frame.to_csv(tmp_path / "t.csv.gz", index=False)
    frame.to_csv(tmp_path / "t.tsv", index=False, sep="\t")
    frame.to_parquet(tmp_path / "t.parquet")
    expected = to_dict(build(frame, drop=["label"], built="now"))["features"]
    for name in ("t.csv.gz", "t.tsv", "t.parquet"):
        profile = build_file(tmp_path / name, drop=("label",), built="now")
        assert to_dict(profile)["features"] == expected
        assert profile.source == name


def test_outputs_come_from_rows_held_out(tmp_path: Path) -> None:
    """A column that is an output is no input; outputs in sample are refused."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"a": rng.normal(size=200), "p": rng.random(200)})
    frame.to_csv(tmp_path / "train.csv", index=False)
    frame[:100].to_csv(tmp_path / "valid.csv", index=False)
    profile = build_file(tmp_path / "train.csv", holdout=tmp_path / "valid.csv", outputs=("p",))

    assert [f.name for f in profile.features] == ["a"]
    assert [(f.name, f.rows) for f in profile.outputs] == [("p", 100)]
    with pytest.raises(ProfileError, match="outputs: got p without a holdout"):
        build_file(tmp_path / "train.csv", outputs=("p",))
    with pytest.raises(ProfileError, match=r"outputs: got q .* expected columns of valid\.csv"):
        build_file(tmp_path / "train.csv", holdout=tmp_path / "valid.csv", outputs=("q",))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.xlsx", b"", "got a file of an unknown kind"),
        ("t.csv", b"", r"got EmptyDataError \(No columns to parse from file\) while reading"),
        ("t.csv", b'a,b\n1,2\n1,2,3,4\n"', r"got ParserError \(Error tokenizing data"),
        ("t.csv.gz", b"no gzip", "got BadGzipFile while reading"),
        ("t.parquet", b"PAR1 torn", r"got ArrowInvalid \(Parquet magic bytes"),
        ("t.csv", None, "got no such file"),
    ],
)
def test_tables_that_cannot_be_read_are_named(
    name: str, content: bytes | None, message: str, tmp_path: Path
) -> None:
    """The cause is named by its type, not by the rows in its text."""
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ProfileError, match=message):
        build_file(path)


@pytest.mark.parametrize("place", ["a.json", "a.json/b.json"])
def test_a_place_that_cannot_be_written(
    profile: ReferenceProfile, tmp_path: Path, place: str
) -> None:
    """A directory, or below a file: an error that names the place, and nothing is left behind."""
    if "/" in place:
        (tmp_path / "a.json").write_text("{}", encoding="utf-8")
    else:
        (tmp_path / "a.json" / "x").mkdir(parents=True)
    with pytest.raises(ProfileError, match="Choose another place with -o"):
        save(profile, tmp_path / place)

    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_a_place_that_cannot_be_read(tmp_path: Path) -> None:
    """Below a file: what the system says of it."""
    (tmp_path / "a.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ProfileError, match="Not a directory"):
        load(tmp_path / "a.json" / "b.json")


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "\ud800"])
def test_a_name_that_no_file_has(name: str, tmp_path: Path) -> None:
    """As it comes from a variable that something else was pasted into."""
    with pytest.raises(ProfileError, match=r"File name too long|a name that no file has"):
        load(tmp_path / name)


def test_what_may_not_fit_or_never_end_is_not_read(tmp_path: Path) -> None:
    """A table in place of its profile, a pipe, a device: the service would die of it."""
    table, pipe = tmp_path / "train.parquet", tmp_path / "pipe"
    with table.open("wb") as file:
        file.truncate(LARGEST_BYTES + 1)
    os.mkfifo(pipe)
    with pytest.raises(ProfileError, match=r"got 268,435,457 bytes .* Build it with"):
        load(table)
    for endless in (pipe, "/dev/zero"):
        with pytest.raises(ProfileError, match="got a pipe or device from the file"):
            load(endless)


def test_counts_of_nothing_are_refused(profile: ReferenceProfile) -> None:
    """A feature that nobody counted cannot be compared with."""
    features = to_dict(profile)["features"]
    features[0] = {**features[0], "counts": [0] * len(features[0]["counts"])}
    with pytest.raises(ProfileError):
        loads(_document(profile, features=features))


def test_tables_need_pandas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Serving does not: the error says what to install to build a reference."""
    path = tmp_path / "train.csv"
    path.write_text("a\n1\n", encoding="utf-8")
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ProfileError, match=r"pip install 'tidegauge-drift\[files\]'"):
        build_file(path)


def test_a_file_of_format_1_is_what_it_was() -> None:
    """It loads, keeps the name of its reference, and is written again as it was read."""
    path = Path(__file__).parent / "references" / "format1.reference.json"
    document = json.loads(path.read_bytes())
    profile = load(path)

    assert (profile.format, checksum(profile)) == (1, document["checksum"])
    assert to_dict(profile) == document["profile"]
    assert Layout(profile).reference == "453ebfe7"
    assert [slot.deff for slot in Layout(profile).slots] == [1.0] * 6


def test_a_file_of_format_2_is_what_it_was() -> None:
    """With its season, times and design effects, and without counts on bins of equal width."""
    path = Path(__file__).parent / "references" / "format2.reference.json"
    document = json.loads(path.read_bytes())
    profile = load(path)

    assert (profile.format, checksum(profile)) == (2, document["checksum"])
    assert to_dict(profile) == document["profile"]
    assert Layout(profile).reference == "74c275f3"
    assert (profile.season, profile.features[0].missing) == ("hour", 24)
    assert {getattr(feature, "wide", None) for feature in profile.features} == {None}
