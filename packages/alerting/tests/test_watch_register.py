"""Who is told what and when: cooldown, groups, ends, and what comes and goes."""

from __future__ import annotations

import dataclasses
import json

from hypothesis import given, settings
from hypothesis import strategies as st
from tidegauge_alerting import AlertDefinition, Severity, load
from tidegauge_alerting.watch.alerts import Active, Change
from tidegauge_alerting.watch.notice import Notice
from tidegauge_alerting.watch.register import SPACING_S, Register
from tidegauge_alerting.watch.vector import labels_of

BY_NAME = {alert.name: alert for alert in load().alerts}
DRIFT = BY_NAME["DataDriftDetected"]
CRITICAL = BY_NAME["HighErrorRate"]
STEP_S = 60.0


def channels_of(alert: AlertDefinition) -> tuple[str, ...]:
    """Return one channel a severity."""
    return (alert.severity.value,)


class Told:
    """A register, told once a step what fires."""

    def __init__(self, alert: AlertDefinition) -> None:
        self.alert = alert
        self.register = Register(channels_of)
        self.firing: dict[str, Active] = {}
        self.at_s = 0.0

    def step(self, *features: str) -> list[Notice]:
        """Let these features of one model fire, and return what is said."""
        for feature in features:
            labels = labels_of([("model_name", "fraud"), ("feature", feature)])
            active = Active(self.alert.name, labels, self.at_s, 0.3, fires_s=self.at_s)
            self.register.begin(self.alert, self.firing.setdefault(feature, active))
        for feature in set(self.firing) - set(features):
            self.register.end(Change(self.firing.pop(feature), fires=False, at_s=self.at_s))
        found = [notice for notice, _ in self.register.due(self.at_s)]
        self.at_s += STEP_S
        return found


def said(notices: list[Notice]) -> list[tuple[bool, list[str]]]:
    """Return whether each notice fires, and the features in it that do."""
    return [
        (notice.fires, [item.labels["feature"] for item in notice.items if item.fires])
        for notice in notices
    ]


def test_the_features_of_a_model_are_said_together() -> None:
    """One message a model, not one a feature; one that joins is said five minutes later."""
    told = Told(DRIFT)
    assert [(True, ["age", "sex"])] == said(told.step("age", "sex"))
    later = [said(told.step("age", "sex", "zip")) for _ in range(5)]
    assert [[], [], [], [], [(True, ["age", "sex", "zip"])]] == later


def test_what_goes_on_is_said_again_after_the_cooldown() -> None:
    """Within one step of it, and not before."""
    told = Told(DRIFT)
    steps = int(2 * DRIFT.cooldown_s / STEP_S) + 1
    found = [i for i in range(steps) if told.step("age")]
    assert [0, DRIFT.cooldown_s / STEP_S, 2 * DRIFT.cooldown_s / STEP_S] == found


def test_an_end_is_said_once() -> None:
    """With the time at which it ended; then all is forgotten when the cooldown is over."""
    told = Told(DRIFT)
    told.step("age")
    for _ in range(9):
        assert [] == told.step("age")
    (notice,) = told.step()
    assert not notice.fires
    assert 600.0 == notice.items[0].ends_s
    assert not any(told.step() for _ in range(100))
    assert told.register.groups
    for _ in range(int(DRIFT.cooldown_s / STEP_S)):
        assert [] == told.step()
    assert {} == told.register.groups


def test_what_comes_and_goes_is_said_once_in_a_cooldown() -> None:
    """A warning that flaps every minute is one message and its end, however long it flaps."""
    told = Told(DRIFT)
    notices = [
        notice
        for i in range(int(DRIFT.cooldown_s / STEP_S) - 1)
        for notice in told.step(*(["age"] if i % 20 < 10 else []))
    ]
    assert [True, False] == [notice.fires for notice in notices]


def test_a_critical_alert_that_is_back_is_said_at_once() -> None:
    """Whoever was told that it has ended must not believe so for hours."""
    told = Told(CRITICAL)
    found = [said(told.step(*(["age"] if i < 10 or i >= 20 else []))) for i in range(40)]
    assert {0: True, 10: False, 20: True} == {
        i: notices[0][0] for i, notices in enumerate(found) if notices
    }


def test_a_blip_is_said_with_its_end() -> None:
    """What is over after a minute is said, and its end five minutes after that."""
    told = Told(CRITICAL)
    found = [said(told.step(*(["age"] if i == 0 else []))) for i in range(10)]
    assert [[(True, ["age"])], [], [], [], [], [(False, [])], [], [], [], []] == found


def test_an_alert_of_its_own_channels_goes_there() -> None:
    """The file of alerts decides, also over what a restart has brought back."""
    alert = dataclasses.replace(DRIFT, channels=("mine",))
    register = Register(lambda each: each.channels)
    register.begin(alert, Active(alert.name, labels_of([("feature", "age")]), 0.0, 0.3, 0.0))
    assert [("mine",)] == [names for _, names in register.due(0.0)]


@settings(max_examples=30, deadline=None)
@given(
    fires=st.lists(st.sets(st.sampled_from(["age", "sex"])), min_size=30, max_size=60),
    severity=st.sampled_from(Severity),
    cooldown_minutes=st.sampled_from([1, 5, 8, 30]),
    restart=st.integers(0, 29),
)
def test_what_was_said_is_true(
    fires: list[set[str]], severity: Severity, cooldown_minutes: int, restart: int
) -> None:
    """Whatever comes and goes: messages are apart, ends and what is critical are always told."""
    alert = dataclasses.replace(
        DRIFT, severity=severity, cooldown_s=cooldown_minutes * 60, recovery=None
    )
    told = Told(alert)
    spacing_s = min(SPACING_S, alert.cooldown_s)
    last_s, believed = -1e9, {"age": False, "sex": False}
    said_s: dict[str, float] = {}
    for i, features in enumerate(fires + [fires[-1]] * 31):
        if i == restart:  # nothing is lost or repeated by it
            kept = json.loads(json.dumps(told.register.to_json()))
            told.register = Register(channels_of)
            told.register.restore(kept)
        at_s = told.at_s
        for notice in told.step(*features):
            assert at_s - last_s >= spacing_s
            last_s = at_s
            for item in notice.items:
                feature = item.labels["feature"]
                believed[feature] = item.fires
                if item.fires:
                    said_s[feature] = at_s
        if at_s - last_s >= spacing_s:
            for feature, is_believed in believed.items():
                if is_believed:
                    assert feature in features
                    assert at_s - said_s[feature] < alert.cooldown_s + STEP_S
                elif severity is Severity.CRITICAL:
                    assert feature not in features
    assert {feature: feature in fires[-1] for feature in believed} == believed
