"""A status in words: plain text that fits into 80 columns of any terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tidegauge_drift import segment_words, warmup_words
from tidegauge_drift.classic import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegauge_drift.status_files import Found

WIDTH = 80
#: A file that was not touched for so long is of a service that has stopped, or cannot write.
OLD_S = 180.0
TOP = 5
_BARS = 6
_OUTPUTS = 3
_BAR = 12
_LABEL = 24
# A bin has moved if its share has changed by so much.
_MOVED = 0.01
# Rows that are worth less than this of their number are said to be.
_MOST_WORTH = 0.9
# Shares below it have more decimals than one.
_SMALL = 0.0005
_CHECKS = {
    "missing": "missing values",
    "type_error": "values of another type",
    "out_of_range": "values out of the reference's range",
    "new_category": "categories that the reference does not have",
}
_SCHEMA = {
    "other_inputs": "other ones, NOTHING IS COMPARED",
    "other_outputs": "other outputs, these are not compared",
    "missing_columns": "some are missing",
    "extra_columns": "some are not in the reference",
}
_REASONS = {
    "rows": "too few rows",
    "missing": "not among the live columns",
    "sampling": "thinned too unevenly",
    "dependent": "too few rows that are independent",
    "season": "the reference has no rows of these hours",
    "week": "no week before: too few rows at these hours",
    "live": "too few rows of the live version",
    "traffic": "its inputs differ from the live version's",
    "fault": "a fault, see the service's log",
}


def explain(found: Found, now_s: float) -> Iterator[str]:
    """Yield the lines that say how a model's drift stands and why it alarms."""
    status = found.status
    judged = [window for window in status["windows"] if "closed_s" in window]
    head = f"{title(status)}: {_headline(status, judged, now_s)}"
    yield from [head] if len(head) <= WIDTH else head.replace("; ", ";\n  ").split("\n")
    yield from _old(found, now_s)
    if "warmup" in status:
        done_s = status["warmup"]["done_s"]
        yield from warmup_words.lines(status["warmup"], moment(done_s, now_s) if done_s else "")
    else:
        for window in status["windows"]:
            yield from _window(window, now_s)
        yield from _schema(status.get("schema", []), now_s)
        yield from _reference(status, now_s)
    if status.get("mode") == "classic":
        yield f"  mode       classic, window by window: {', '.join(RULES.values())}"
        yield "             These rules alarm on clean rows too."
    age = duration(now_s - found.touched_s)
    yield f"  status     {age} old, by process {status.get('pid')} on {text(status.get('host'))}"
    ranked = _top(judged)
    if ranked:
        yield ""
    for place, (window, feature) in enumerate(ranked[:TOP], 1):
        yield from _feature(place, window, feature, now_s)
    if len(ranked) > TOP:
        yield f"{len(ranked) - TOP} more: --json has all that the status lists."


def summary(found: Found, now_s: float) -> str:
    """Return a model's status in one line."""
    judged = [window for window in found.status["windows"] if "closed_s" in window]
    old = ", OLD STATUS" if now_s - found.touched_s > OLD_S else ""
    return f"{title(found.status)}: {_headline(found.status, judged, now_s)}{old}"


def title(status: dict[str, Any]) -> str:
    """Return a model's name and version."""
    return text(f"{status['model']} {status['version']}".rstrip())


def text(value: object) -> str:
    """Return something from a file as text that a terminal shows and does not obey."""
    return "".join(c if c.isprintable() else "?" for c in str(value))


def _headline(status: dict[str, Any], judged: list[dict[str, Any]], now_s: float) -> str:
    if "warmup" in status:
        return warmup_words.headline(status["warmup"])
    if not judged:
        return "not judged yet, no window has closed" + _uncompared(status)
    on = {
        family: state.get("since_s")
        for window in judged
        for family, state in window["families"].items()
        if state["detected"]
    }
    said = []
    if on:
        times = [since for since in on.values() if since]
        since = f" since {moment(min(times), now_s)} UTC" if times else ""
        said.append(f"ALARM{since} in {', '.join(sorted(on))}")
    lives = [window["live"] for window in judged if window.get("live")]
    beside = sorted({text(live["version"]) for live in lives if live["detected"]})
    if beside:
        said.append(f"ALARM against live {', '.join(beside)}".rstrip())
    if any(window["reference_mismatch"] for window in judged):
        said.append("REFERENCE MISMATCH")
    return ("; ".join(said) or "no alarm") + _uncompared(status)


def _uncompared(status: dict[str, Any]) -> str:
    kinds = {found["kind"] for found in status.get("schema", [])}
    return "; OTHER COLUMNS" if "other_inputs" in kinds else ""


def _old(found: Found, now_s: float) -> Iterator[str]:
    age_s = now_s - found.touched_s
    if age_s > OLD_S:
        yield f"  This was {duration(age_s)} ago: a service that runs says so every minute. Look"
        yield "  whether it has stopped, and whether it can still write its status."


def _window(window: dict[str, Any], now_s: float) -> Iterator[str]:
    label = f"  {'window':<10} {text(window['window'])}"
    if "closed_s" not in window:
        yield f"{label}: none has closed yet, {window['open_rows']} rows so far"
        return
    states = {state: n for state, n in window["states"].items() if n}
    told = ", ".join(f"{n} {text(state)}" for state, n in states.items())
    opened, closed = (moment(window[key], now_s) for key in ("opened_s", "closed_s"))
    yield f"{label}: {told}"
    yield f"{'':13}{window['rows']} rows, {_sampling(window)}"
    yield f"{'':13}{opened} to {closed} UTC"
    yield from _baseline(window.get("baseline"))
    if window.get("dependence") == "unknown":
        yield f"{'':13}How alike rows of one call are is unknown before 30 calls of"
        yield f"{'':13}several rows: until then nothing raises an alarm."
    yield from map(_cut, segment_words.lines(window.get("segments"), text))
    yield from _versus(window.get("live"), now_s)
    yield from _correlation(window.get("correlation"), now_s)
    if window["reference_mismatch"]:
        yield f"{'':13}Half of the inputs or more differed in the first window: the"
        yield f"{'':13}reference is probably of other data, and input alarms are off."
        yield f"{'':13}Build it from rows as the model gets them now."


def _baseline(baseline: dict[str, Any] | None) -> Iterator[str]:
    if baseline is None:
        return
    yield f"{'':13}compared with the same hours of the week before"
    if baseline["alarmed"]:
        share = _percent(baseline["alarmed"])
        yield f"{'':13}That week had an alarm itself, at {share} of these rows' hours:"
        yield f"{'':13}what had changed by then counts as usual here."


def _versus(live: dict[str, Any] | None, now_s: float) -> Iterator[str]:
    """Yield how a canary or shadow compares with the live version."""
    if live is None:
        return
    version = f"live {text(live['version'])}".rstrip()
    if not live["rows"]:
        yield _cut(f"{'':13}against {version}: it had no rows in this window")
        return
    since = f" since {moment(live['since_s'], now_s)} UTC" if live["since_s"] else ""
    said = f"outputs ALARM{since}" if live["detected"] else "outputs no alarm"
    yield _cut(f"{'':13}against {version}, {live['rows']} rows: {said}")
    for output in live["outputs"][:_OUTPUTS]:
        numbers = [
            f"{name} {output[key]:.3g}"
            for name, key in (("KS", "ks"), ("PSI", "psi"))
            if output[key] is not None
        ]
        if output["reason"]:
            numbers = [_REASONS.get(output["reason"], text(output["reason"]))]
        told = ", ".join([text(output["state"]), *numbers])
        yield _cut(f"{'':15}{text(output['output'])}: {told}")
    if live["inputs_differ"]:
        names = ", ".join(map(text, live["inputs_differ"][:TOP]))
        yield _cut(f"{'':13}inputs differ from {version}'s: {names}")
        yield f"{'':13}It gets other traffic, or prepares it otherwise: its outputs are"
        yield f"{'':13}not compared until that ends."


def _schema(found: list[dict[str, Any]], now_s: float) -> Iterator[str]:
    """Yield how columns differ: a line for what, and one for which."""
    for each in found:
        what = _SCHEMA.get(each["kind"], text(each["kind"]))
        yield f"  {'columns':<10} {what} since {moment(each['since_s'], now_s)} UTC"
        yield _cut(f"{'':13}{', '.join(map(text, each['texts']))}")


def _correlation(found: dict[str, Any] | None, now_s: float) -> Iterator[str]:
    """Yield which correlations of inputs have changed, if they are looked at."""
    if found is None:
        return
    since = f" since {moment(found['since_s'], now_s)} UTC" if found["since_s"] else ""
    said = f"ALARM{since}" if found["detected"] else "no alarm"
    yield f"{'':13}correlations of {found['judged']} of {found['of']} pairs: {said}"
    if found["drifting"]:
        yield _cut(f"{'':15}{found['drifting']} not looked at: a feature of theirs differs itself")
    for pair in found["pairs"]:
        names = " ~ ".join(map(text, pair["features"]))
        sides = " -> ".join(
            "?" if pair[key] is None else f"{pair[key]:.2f}" for key in ("reference", "now")
        )
        room = WIDTH - 15 - len(sides) - 2
        names = names if len(names) <= room else names[: room - 3] + "..."
        yield f"{'':15}{names}: {sides}"


def _sampling(window: dict[str, Any]) -> str:
    low, high = window["kept_one_in"]
    if high <= 1:
        return "none thinned"
    return f"one in {high} kept" if low == high else f"one in {low} to {high} kept"


def _reference(status: dict[str, Any], now_s: float) -> Iterator[str]:
    reference = status["reference"]
    age = ""
    try:
        built = datetime.fromisoformat(reference["built"])
        built = built if built.tzinfo else built.replace(tzinfo=UTC)
        age = f", {duration(now_s - built.timestamp())} old"
    except (ValueError, TypeError):
        pass
    line = f"  reference  {text(reference['id'])}{age}, {reference['rows']} rows of "
    yield _cut(line + text(reference["source"]))


def _top(judged: list[dict[str, Any]]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return what alarms, or else what differs, each feature once, by effect."""
    pairs = [(window, feature) for window in judged for feature in window["features"]]
    chosen = [pair for pair in pairs if pair[1]["detected"] or pair[1]["quality"]["detected"]]
    if not chosen:
        different = ("suspected", "reference_mismatch")
        chosen = [p for p in pairs if p[1]["state"] in different or p[1]["quality"]["flagged"]]
    chosen.sort(key=lambda pair: -(pair[1]["effect"] or 0))
    once = {(p[1]["family"], p[1]["feature"]): p for p in reversed(chosen)}
    return sorted(once.values(), key=lambda pair: -(pair[1]["effect"] or 0))


def _feature(
    place: int, window: dict[str, Any], feature: dict[str, Any], now_s: float
) -> Iterator[str]:
    quality = feature["quality"]
    on = feature["detected"] or quality["detected"]
    times = [feature["since_s"], quality["since_s"]]
    since = min((each for each in times if each), default=None)
    head = f"{place}. {text(feature['feature'])} ({'output' if _is_output(feature) else 'input'})"
    yield _cut(f"{head}: {'alarm' if on else text(feature['state'])}")
    numbers = _numbers(feature, ("KS", "ks"), ("PSI", "psi"))
    worth = feature["effective_rows"] or 0
    if 0 < worth < _MOST_WORTH * feature["rows"]:
        numbers.append(f"{feature['rows']} rows worth {worth:.0f}")
    if feature["reason"]:
        numbers.append(_REASONS.get(feature["reason"], text(feature["reason"])))
    yield f"   {', '.join([*numbers, 'window ' + text(window['window'])])}"
    more = _numbers(feature, ("KL", "kl"), ("JS", "js"), ("Wasserstein", "wasserstein"))
    if more:
        yield f"   {', '.join(more)}"
    rules = [RULES[rule] for rule in feature.get("rules", []) if rule in RULES]
    if rules:
        yield f"   rules: {', '.join(rules)}"
    if since:
        yield f"   differs since {moment(since, now_s)} UTC"
    for check in quality["checks"]:
        if (check["effect"] or 0) >= 1 and (quality["detected"] or quality["flagged"]):
            name = _CHECKS.get(check["check"], text(check["check"]))
            yield f"   {name}: {_percent(check['reference'])} -> {_percent(check['now'])}"
    yield from _bins(feature.get("bins", []))
    yield ""


def _numbers(feature: dict[str, Any], *wanted: tuple[str, str]) -> list[str]:
    known = [(name, feature.get(key)) for name, key in wanted]
    return [f"{name} {value:.3g}" for name, value in known if value is not None]


def _is_output(feature: dict[str, Any]) -> bool:
    return bool(feature["family"] == "outputs")


def _bins(bins: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each bin that has moved, in the order of the bins."""
    moved = [b for b in bins if abs(b["now"] - b["reference"]) >= _MOVED]
    largest = sorted(moved, key=lambda b: -abs(b["now"] - b["reference"]))[:_BARS]
    if not largest:
        return
    top = max(max(b["now"], b["reference"]) for b in largest)
    yield f"   {'share of rows':<{_LABEL}} {'reference':>9} {'':{_BAR}} {'now':>9}"
    for b in bins:
        if b in largest:
            label = text(b["bin"])
            label = label if len(label) <= _LABEL else label[: _LABEL - 3] + "..."
            sides = (f"{_percent(b[s]):>9} {_bar(b[s], top)}" for s in ("reference", "now"))
            yield f"   {label:<{_LABEL}} {' '.join(sides)}".rstrip()
    if len(moved) > len(largest):
        yield f"   {len(moved) - len(largest)} more that moved less"


def _bar(share: float, top: float) -> str:
    full = round(_BAR * share / top)
    return ("#" * (full or int(share > 0))).ljust(_BAR)


def _percent(share: float | None) -> str:
    if share is None:
        return "?"
    return f"{100 * share:.1f} %" if share == 0 or share >= _SMALL else f"{100 * share:.1g} %"


def _cut(line: str) -> str:
    return line if len(line) <= WIDTH else line[: WIDTH - 3] + "..."


def moment(at_s: float, now_s: float) -> str:
    """Return a time of day in UTC, with its day where that is not today."""
    at, now = (datetime.fromtimestamp(each, UTC) for each in (at_s, now_s))
    return at.strftime("%H:%M:%S" if at.date() == now.date() else "%Y-%m-%d %H:%M:%S")


def duration(length_s: float) -> str:
    """Return a length of time in its largest unit."""
    for name, unit_s in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if length_s >= 2 * unit_s:
            return f"{length_s / unit_s:.0f} {name}"
    return f"{max(0.0, length_s):.0f} s"
