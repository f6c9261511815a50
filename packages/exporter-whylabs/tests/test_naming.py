"""Names of profiles, their files and their columns."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidegauge.batch import ModelKey
from tidegauge_exporter_whylabs.naming import ProfileId, interval_start, output_column, slug

NOON_S = 1_795_089_600


def test_a_file_is_named_by_model_version_time_and_worker() -> None:
    """In UTC, without blanks and colons, and what it says can be read back."""
    found = ProfileId.of(ModelKey("fraud_detection", "3"), NOON_S, "0a1b2c3d", 4)
    assert "fraud_detection_3_20261119T120000Z_0a1b2c3d-4" == str(found)
    assert found == ProfileId.parse(f"{found}.bin")


def test_a_model_without_a_version_says_so() -> None:
    """The name has as many parts as any other."""
    found = ProfileId.of(ModelKey("fraud"), NOON_S, "0a1b2c3d", 1)
    assert "fraud_unversioned_20261119T120000Z_0a1b2c3d-1" == str(found)


@pytest.mark.parametrize("name", ["", "notes.txt", "profile_2024-01-01 10:00:00.bin", "a_b_c"])
def test_other_files_are_of_nobody(name: str) -> None:
    """What whylogs itself or somebody else has written is not taken for ours."""
    assert ProfileId.parse(name) is None


@given(st.text(), st.text(), st.integers(0, 2**33))
def test_any_name_makes_a_file_name(name: str, version: str, start_s: int) -> None:
    """On every system, and it is read back as it was."""
    found = ProfileId.of(ModelKey(name, version), start_s, "0a1b2c3d", 1)
    assert re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", str(found)) or str(found).startswith(".")
    assert found == ProfileId.parse(str(found))


@given(st.text(max_size=12), st.text(max_size=12))
def test_two_names_stay_two(one: str, other: str) -> None:
    """What is changed is told apart by a hash of what it was."""
    assert (one == other) == (slug(one) == slug(other))


def test_a_plain_name_stays_as_it_is() -> None:
    """So people find their files."""
    assert ["fraud_v3.1-b", "Pipeline-SVC-.537d86b0"] == [
        slug("fraud_v3.1-b"), slug("Pipeline[SVC]")
    ]  # fmt: skip


def test_outputs_are_named_as_whylabs_finds_them() -> None:
    """It takes a column for an output where its name says so."""
    assert ["output", "output_fraud"] == [output_column(""), output_column("fraud")]


def test_intervals_begin_at_multiples_in_utc() -> None:
    """Whenever the process began."""
    assert [NOON_S, NOON_S, NOON_S + 3600] == [
        interval_start(NOON_S + late_s, 3600) for late_s in (0, 3599.9, 3600)
    ]
