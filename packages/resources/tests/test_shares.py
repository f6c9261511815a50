"""A process's use is split over its models, and nothing of it is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidegauge.batch import ModelKey
from tidegauge.sources import ModelUse, Moment
from tidegauge_resources.shares import Shares, requests_by_name, seconds_by_name
from tidegauge_resources.window import Change

SECONDS = st.dictionaries(st.sampled_from("abcde"), st.floats(0, 1e6), min_size=1)


def test_shares_are_those_of_lately() -> None:
    """What was spent before does not count."""
    shares = Shares().of({"a": 100.0, "b": 10.0}, Change(60.0, {"a": 1.0, "b": 3.0}))
    assert {"a": 0.25, "b": 0.75} == shares


def test_who_predicts_no_more_is_split_as_before() -> None:
    """Memory that is held is held for somebody."""
    shares = Shares()
    shares.of({"a": 1.0, "b": 3.0}, Change(60.0, {"a": 1.0, "b": 3.0}))
    assert {"a": 0.25, "b": 0.75} == shares.of({"a": 1, "b": 3}, Change(60.0, {"a": 0, "b": 0}))


def test_without_any_time_models_are_alike() -> None:
    """One that only raised at once, say."""
    assert {"a": 0.5, "b": 0.5} == Shares().of({"a": 0.0, "b": 0.0}, None)
    assert {} == Shares().of({}, None)


@given(st.lists(st.tuples(SECONDS, st.none() | SECONDS), min_size=1, max_size=5))
def test_shares_add_up(rounds: list[tuple[dict[str, float], dict[str, float] | None]]) -> None:
    """To 1, whatever was spent and whoever came later; models never leave a process."""
    shares, known = Shares(), dict[str, float]()
    for seconds, grown in rounds:
        known |= seconds
        lately = None if grown is None else Change(60.0, {n: grown.get(n, 0.0) for n in known})
        found = shares.of(known, lately)
        assert known.keys() == found.keys()
        assert pytest.approx(1.0) == sum(found.values())


def test_versions_of_a_model_are_one() -> None:
    """Their seconds and requests add up."""
    models = {ModelKey("m", "1"): ModelUse(1.0, 10), ModelKey("m", "2"): ModelUse(2.0, 5)}
    moment = Moment(0.0, 0.0, models)
    assert ({"m": 3.0}, {"m": 15.0}) == (seconds_by_name(moment), requests_by_name(moment))
