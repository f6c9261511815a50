"""How what a process uses is split over its models: by their share of prediction time."""

from __future__ import annotations

from collections.abc import Mapping

from tidegauge.sources import Moment

from tidegauge_resources.window import Change


def seconds_by_name(moment: Moment) -> dict[str, float]:
    """Return the seconds in calls of each model, all its versions together."""
    found: dict[str, float] = {}
    for key, use in moment.models.items():
        found[key.name] = found.get(key.name, 0.0) + use.seconds
    return found


def requests_by_name(moment: Moment) -> dict[str, float]:
    """Return the finished calls of each model, all its versions together."""
    found: dict[str, float] = {}
    for key, use in moment.models.items():
        found[key.name] = found.get(key.name, 0.0) + use.requests
    return found


class Shares:
    """Each model's share; they add up to 1 where there is a model at all.

    What runs while nobody predicts is there for the models too: it is split as it was when somebody
    did.
    """

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def of(self, seconds: Mapping[str, float], change: Change[str] | None) -> dict[str, float]:
        """Return the shares.

        Parameters
        ----------
        seconds
            In calls of each model since the counts began.
        change
            The same lately, where that is known.
        """
        lately = {} if change is None else change.grown
        if sum(lately.values()) > 0:
            self._last = _shares(lately)
        elif not self._last.keys() >= seconds.keys():
            self._last = _shares(seconds)
        return {name: self._last.get(name, 0.0) for name in seconds}


def _shares(seconds: Mapping[str, float]) -> dict[str, float]:
    total = sum(seconds.values())
    if total > 0:
        return {name: spent / total for name, spent in seconds.items()}
    return dict.fromkeys(seconds, 1 / len(seconds)) if seconds else {}
