"""Which features are exported when there are more than the series budget allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# A member stays until it has been outside twice the budget for so many windows: a feature whose
# rank wavers must not come and go on a dashboard.
_PATIENCE = 10


def choose(ranked: Sequence[str], budget: int, members: Mapping[str, int]) -> dict[str, int]:
    """Return the members after one more window, with how long each has been outside.

    Parameters
    ----------
    ranked : sequence of str
        Features by falling effect.
    budget : int
        How many may be members.
    members : mapping of str to int
        The members before, and for how many windows each has been outside twice the budget.
    """
    if len(ranked) <= budget:
        return dict.fromkeys(ranked, 0)
    near = set(ranked[: 2 * budget])
    stay = {
        name: 0 if name in near else outside + 1
        for name, outside in members.items()
        if name in near or (name in ranked and outside + 1 < _PATIENCE)
    }
    others = [name for name in ranked if name not in stay]
    stay.update(dict.fromkeys(others[: max(0, budget - len(stay))], 0))
    if len(stay) <= budget:
        return stay
    kept = sorted(stay, key=ranked.index)[:budget]  # the budget itself has shrunk
    return {name: stay[name] for name in kept}
