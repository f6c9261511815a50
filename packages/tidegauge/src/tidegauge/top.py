"""Which of many are shown where there is room for some: the top, with patience."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# A member stays until it has been outside twice the budget for so many turns: what wavers in its
# rank must not come and go on a dashboard.
_PATIENCE = 10


def choose(ranked: Sequence[str], budget: int, members: Mapping[str, int]) -> dict[str, int]:
    """Return the members after one more turn, with how long each has been outside.

    Parameters
    ----------
    ranked : sequence of str
        Names, the first in rank first.
    budget : int
        How many may be members.
    members : mapping of str to int
        The members before, and for how many turns each has been outside twice the budget.
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
