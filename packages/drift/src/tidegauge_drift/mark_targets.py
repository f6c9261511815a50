"""Where the services of a model look for marks, and whether there is what a mark names."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from tidegauge.command import CommandError

from tidegauge_drift.status import LONGEST_NAME
from tidegauge_drift.status_files import Found, read_all
from tidegauge_drift.terminal_words import text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_SHOWN = 20


def statuses(model: str, version: str, places: list[Path]) -> list[Found]:
    """Return the statuses of a model, of all its versions or of one.

    Raises
    ------
    CommandError
        There is none.
    """
    every = [found for found in read_all(places) if isinstance(found, Found)]
    of_model = [found for found in every if found.status["model"] == model]
    found = [each for each in of_model if version in ("", each.status["version"])]
    if found:
        return found
    if of_model:
        known = (str(each.status["version"]) for each in of_model)
        raise _unknown("--version", version, f"a version of {text(model)}", known)
    if every:
        names = {str(each.status["model"]) for each in every}
        raise _unknown("model", model, "one that a service here has", names)
    looked = ", ".join(map(str, places)) or "no folder, for there is none"
    raise CommandError(
        f"model: got {model!r} from the argument; expected one that a service on this host has, "
        f"with a reference and rows. Looked in {looked}: no status is there. Run it where the "
        "service runs, or pass its TIDEGAUGE_STATE_DIR by --state-dir."
    )


def check(found: list[Found], features: Iterable[str], window: str) -> list[str]:
    """Return what the user should know of names that a model's statuses cannot confirm.

    Raises
    ------
    CommandError
        The statuses say that there is no such feature or window.
    """
    windows = [window for each in found for window in each.status["windows"]]
    labels = {str(each["window"]) for each in windows}
    if window and labels and window not in labels:
        raise _unknown("--window", window, "a kind of window of the model", labels)
    judged = [each for each in windows if "features" in each]
    known = {str(feature["feature"]) for each in judged for feature in each["features"]}
    complete = judged and not any(each.get("features_left_out", 1) for each in judged)
    said = []
    for name in features:
        if name[:LONGEST_NAME] in known:
            continue
        if complete:
            raise _unknown("--feature", name, "a feature or output of the model", known)
        why = f"the {len(known)} features that its status lists" if judged else "a closed window"
        said.append(f"{text(name)} is not in {why}: look whether it is spelled right.")
    return said


def _unknown(subject: str, got: str, expected: str, known: Iterable[str]) -> CommandError:
    names = sorted(known)
    near = [name for name in names if got and got in name]
    near += difflib.get_close_matches(got, names, n=1)
    hint = f" Did you mean {text(near[0])!r}?" if near else ""
    shown = ", ".join(text(name) or "''" for name in names[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return CommandError(
        f"{subject}: got {got!r} from the argument; expected {expected}: {shown}{more}.{hint}"
    )
