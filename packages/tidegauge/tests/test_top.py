"""Which of many are shown: the top, without coming and going."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tidegauge.top import choose


def test_all_are_members_where_they_fit() -> None:
    """No choice is made."""
    assert choose(["b", "a"], 2, {}) == {"b": 0, "a": 0}


def test_the_largest_effects_are_chosen_and_stay_while_near() -> None:
    """A member that falls to rank 2k stays; a newcomer waits until there is room."""
    members = choose(["a", "b", "c", "d", "e"], 2, {})
    assert set(members) == {"a", "b"}
    assert set(choose(["c", "d", "a", "b", "e"], 2, members)) == {"a", "b"}


def test_a_member_leaves_after_ten_windows_far_outside() -> None:
    """Nine are forgiven; coming back near starts anew."""
    names = ["c", "d", "e", "f", "a", "b"]
    members = choose(["a", "b", "c", "d", "e", "f"], 2, {})
    for _ in range(9):
        members = choose(names, 2, members)
    assert members == {"a": 9, "b": 9}
    assert choose(["a", *names[:4], "b"], 2, members) == {"a": 0, "c": 0}
    assert set(choose(names, 2, members)) == {"c", "d"}


def test_a_member_that_is_gone_leaves_at_once() -> None:
    """Features of another reference are no members."""
    assert set(choose(["x", "y", "z"], 2, {"a": 0, "b": 0})) == {"x", "y"}


def test_a_budget_that_shrinks_keeps_the_largest_members() -> None:
    """And one that grows is filled up."""
    ranked = ["a", "b", "c", "d", "e", "f"]
    four = dict.fromkeys(["a", "b", "c", "d"], 0)

    assert {"a": 0, "b": 0} == choose(ranked, 2, four)
    assert {**four, "e": 0} == choose(ranked, 5, four)


@given(
    st.lists(st.permutations([f"f{i}" for i in range(12)]), min_size=1, max_size=40),
    st.integers(1, 12),
)
def test_no_sequence_of_windows_exceeds_the_budget(
    windows: list[list[str]], budget_of_features: int
) -> None:
    """Nor leaves room unused; a member leaves only after ten windows outside twice the budget."""
    members: dict[str, int] = {}
    outside: dict[str, int] = {}
    for ranked in windows:
        near = set(ranked[: 2 * budget_of_features])
        outside = {name: 0 if name in near else outside.get(name, 0) + 1 for name in ranked}
        after = choose(ranked, budget_of_features, members)
        assert len(after) == budget_of_features
        assert all(outside[name] >= 10 for name in members.keys() - after.keys())
        members = after
        outside = {name: outside[name] if name in members else 0 for name in ranked}
