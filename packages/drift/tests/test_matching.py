"""Live columns against the reference's: by name, by position, or not at all."""

from __future__ import annotations

from tidegauge_drift.matching import Match, match, match_outputs

FEATURES = (("a", 0), ("b", 2), ("c", 3))


def test_names_decide_where_both_have_them() -> None:
    """Reordered columns are found, a left-out one is not extra, others are."""
    found = match(FEATURES, frozenset({"id"}), 4, ("c", "id", "new", "b", "a"), 5)

    assert found == Match((4, 3, 0), "", (), ("new",))


def test_positions_decide_where_one_side_has_no_names() -> None:
    """The columns that the reference leaves out keep their place."""
    assert match(FEATURES, frozenset({"id"}), 4, None, 4) == Match((0, 2, 3))
    bare = (("", 0), ("", 1))
    assert match(bare, frozenset(), 2, ("p", "q"), 2) == Match((0, 1))


def test_another_number_of_nameless_columns_is_not_compared() -> None:
    """Rather no drift than wrong drift."""
    found = match(FEATURES, frozenset(), 4, None, 3)

    assert found.columns == (-1, -1, -1)
    assert found.reason == "the reference has 4 columns, the model gets 3 without names"


def test_a_missing_feature_is_told_and_most_missing_is_another_model() -> None:
    """One of three gone is compared without it; two of three are not."""
    assert match(FEATURES, frozenset(), 4, ("a", "b"), 2) == Match((0, 1, -1), "", ("c",))
    found = match(FEATURES, frozenset(), 4, ("a", "x"), 2)
    assert found.reason == "2 of the reference's 3 features are missing"


def test_outputs_are_matched_by_name_or_by_number() -> None:
    """Names that differ do not matter where there are as many."""
    outputs = (("p0", 0), ("p1", 1))

    assert match_outputs(outputs, ("p1", "p0", "extra"), 3) == Match((1, 0))
    assert match_outputs(outputs, ("ham", "spam"), 2) == Match((0, 1))
    assert match_outputs(outputs, None, 3).reason == (
        "the reference has 2 outputs, the model gives 3"
    )
