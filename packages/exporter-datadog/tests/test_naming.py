"""Names and tags as Datadog takes them, whatever an app calls its own."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidegauge_exporter_datadog.naming import attribute_tags, metric_name, plain_tag, tag
from tidegauge_semconv import all_metrics

# Datadog's public rules, written as they are written there.
NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_.]{0,199}", re.ASCII)
TAG = re.compile(r"[^\W\d_][\w.:/-]{0,199}")
anything = st.text(max_size=400)


@pytest.mark.parametrize("name", [spec.name for spec in all_metrics()])
def test_names_of_the_suite_stay(name: str) -> None:
    """What the docs and the rules say is what arrives."""
    assert name == metric_name(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("http.server.request.duration", "http.server.request.duration"),
        ("bad name|x:y@z#,", "bad_name_x_y_z"),
        ("größe", "gr_e"),
        ("2xx.count", "metric.2xx.count"),
        ("_private", "private"),
        ("a" * 300, "a" * 200),
    ],
)
def test_other_names_are_made_to_fit(name: str, expected: str) -> None:
    """Each run of what is not taken is one underscore."""
    assert expected == metric_name(name)


@pytest.mark.parametrize("name", ["", "___", "日本"])
def test_a_name_of_which_nothing_is_left_is_refused(name: str) -> None:
    """The message says what is expected."""
    with pytest.raises(ValueError, match=r"metric name: got '.*'; expected a letter in it"):
        metric_name(name)


@given(anything)
def test_any_name_fits_or_is_refused(name: str) -> None:
    """And cleaning what is clean changes nothing."""
    try:
        clean = metric_name(name)
    except ValueError:
        return
    assert NAME.fullmatch(clean)
    assert clean == metric_name(clean)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("feature", "age", "feature:age"),
        ("feature", "a,b", "feature:a_b"),
        ("feature", "a|b", "feature:a_b"),
        ("feature", "a\r\nb", "feature:a_b"),
        ("feature", "#1", "feature:_1"),
        ("feature", "Größe", "feature:Größe"),
        ("feature", "年齢", "feature:年齢"),
        ("url", "http://host/path", "url:http://host/path"),
        ("model_name", "Pipeline[LogisticRegression]", "model_name:Pipeline_LogisticRegression_"),
        ("window", "1000rows", "window:1000rows"),
        ("le", "ends:", "le:ends"),
        ("0", "x", "tag_0:x"),
        ("a b:c", "x", "a_b_c:x"),
        ("feature", "", ""),
        ("feature", "😀", ""),
        ("", "x", ""),
    ],
)
def test_tags_are_made_to_fit(key: str, value: str, expected: str) -> None:
    """What separates tags, fields and lines becomes an underscore; unicode letters stay."""
    assert expected == tag(key, value)


def test_a_long_tag_is_cut() -> None:
    """Datadog takes 200 characters of key and value together."""
    assert "feature:" + "x" * 192 == tag("feature", "x" * 300)


@given(st.dictionaries(anything, anything | st.integers() | st.lists(st.text()), max_size=6))
def test_any_attributes_become_tags(attributes: dict[str, object]) -> None:
    """Each fits, and no key is there twice."""
    found = attribute_tags(attributes)
    keys = [each.partition(":")[0] for each in found]
    assert all(TAG.fullmatch(each) and not each.endswith(":") for each in found)
    assert len(set(keys)) == len(keys)


def test_empty_attributes_are_left_out() -> None:
    """What Tidegauge does not know is no tag."""
    assert ("model_name:fraud",) == attribute_tags({"model_name": "fraud", "model_version": ""})


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("host", "exported_host:x"),
        ("service", "exported_service:x"),
        ("dd.internal.card", "exported_dd.internal.card:x"),
        ("hostname", "hostname:x"),
    ],
)
def test_what_directs_datadog_is_renamed(key: str, expected: str) -> None:
    """An app's attribute ``host`` does not make its metrics another host's."""
    assert (expected,) == attribute_tags({key: "x"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [("team:risk", "team:risk"), ("canary", "canary"), ("1st", "tag_1st"), (":x", ""), ("a:", "")],
)
def test_a_users_own_tags_may_have_no_value(text: str, expected: str) -> None:
    """``DD_TAGS`` may hold such."""
    assert expected == plain_tag(text)
