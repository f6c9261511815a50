"""Events in Datadog: what they say, that one incident is one thread, and that they are not many."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidegauge import announce
from tidegauge.batch import ModelKey
from tidegauge.events import ConfigurationError, Event, SchemaChange, StateChange
from tidegauge_exporter_datadog import transport
from tidegauge_exporter_datadog.dogstatsd import DogStatsD
from tidegauge_exporter_datadog.events import DatadogEvents
from tidegauge_exporter_datadog.incidents import incident
from tidegauge_exporter_datadog.payload import EVENTS, of_event
from tidegauge_exporter_datadog.settings import read
from tidegauge_exporter_datadog.transport import DatadogEvent
from tidegauge_testkit.backends.dogstatsd_server import DogStatsDServer
from tidegauge_testkit.datadog_intake import DatadogIntake, modelled

LIMIT_S = 60.0
AT_S = 1_795_000_000.5
MODEL = ModelKey("fraud", "3")
TAGS = ("env:prod", "service:scoring")
DRIFTED = StateChange(
    MODEL, "ab12cd34", "inputs", "amount", "1000rows", "drifted", AT_S, "ks.statistic", 0.31, 0.05
)
BROKEN = ConfigurationError(
    "TIDEGAUGE_DRIFT_PANE_S",
    "TIDEGAUGE_DRIFT_PANE_S: got '0' from the environment; expected an integer in [1, 3600]. "
    "Unset it to use 10.",
    AT_S,
)

TEXTS = st.text(max_size=300)
MODELS = st.builds(ModelKey, TEXTS, TEXTS)
NUMBERS = st.one_of(st.none(), st.floats(allow_nan=False))
ANY_EVENT = st.one_of(
    st.builds(
        StateChange, MODELS, TEXTS, TEXTS, TEXTS, TEXTS,
        st.sampled_from(["drifted", "ok", "unknown", "reference_mismatch", "new"]),
        st.floats(0, 4e9), TEXTS, NUMBERS, NUMBERS,
    ),
    st.builds(
        SchemaChange, MODELS, TEXTS, TEXTS, st.lists(TEXTS, max_size=10).map(tuple),
        st.sampled_from(["changed", "ok", "unknown", "new"]), st.floats(0, 4e9),
    ),
    st.builds(ConfigurationError, TEXTS, TEXTS, st.floats(0, 4e9)),
)  # fmt: skip


class Kept:
    """A transport that keeps events."""

    def __init__(self) -> None:
        self.events: list[DatadogEvent] = []

    def send(self, points: Any) -> None:
        """Keep nothing."""

    def send_event(self, event: DatadogEvent) -> None:
        """Keep it."""
        self.events.append(event)

    def flush(self, timeout_s: float) -> bool:
        """Nothing waits."""
        return True

    def close(self, timeout_s: float) -> None:
        """Nothing is open."""


@pytest.fixture
def kept() -> Iterator[Kept]:
    """Return the transport in use."""
    found = Kept()
    transport.use(found, TAGS)
    yield found
    transport.release(found)


def change(feature: str = "amount", state: str = "drifted", window: str = "1d") -> StateChange:
    """Return a change of a feature, or of its whole family."""
    return StateChange(MODEL, "ab12cd34", "inputs", feature, window, state, AT_S)


def made(event: Event) -> DatadogEvent:
    """Return the event as Datadog gets it."""
    found = incident(event, TAGS)
    assert found is not None
    return found.event


# -- what they say -------------------------------------------------------------------------------


def test_a_feature_that_has_drifted() -> None:
    """Feature, statistic, value, threshold and window, and where to read on."""
    found = made(DRIFTED)
    assert "fraud 3: inputs amount drifted" == found.title
    assert (
        "Model fraud 3, inputs amount: drifted from the reference.\n"
        "\n"
        "ks.statistic: 0.31, threshold 0.05\n"
        "window: 1000rows\n"
        "reference: ab12cd34\n"
        "The bins that moved: tidegauge explain fraud --version 3"
    ) == found.text
    assert ("warning", AT_S) == (found.alert_type, found.at_s)
    assert (
        "model_name:fraud", "model_version:3", "reference:ab12cd34", "family:inputs",
        "feature:amount", "window:1000rows", "state:drifted", "statistic:ks.statistic", *TAGS,
    ) == found.tags  # fmt: skip


def test_only_an_alarm_has_bins_that_moved() -> None:
    """Its end, and a reference that does not fit, say what is so, and where there is more."""
    ok, wrong = (made(change("", state)).text for state in ("ok", "reference_mismatch"))
    assert ok.startswith("Model fraud 3, inputs: like the reference again.\n")
    assert wrong.startswith(
        "Model fraud 3, inputs: half of them or more differ from the reference since it began; it "
        "is of other data, or what feeds the model is wrong.\n"
    )
    for text in (ok, wrong):
        assert text.endswith("\nMore: tidegauge explain fraud --version 3")


def test_a_muted_alarm_is_for_information_and_says_why() -> None:
    """It is kept, with a tag to filter by, and no monitor of warnings sees it."""
    found = made(replace(DRIFTED, muted_until_s=AT_S + 60, muted_because="a new supplier"))
    assert "info" == found.alert_type
    assert "muted:true" in found.tags
    assert "Muted until 2026-11-18 11:07:40 UTC because: a new supplier" in found.text
    assert not [each for each in made(DRIFTED).tags if each.startswith("muted")]


@pytest.mark.parametrize(
    ("state", "title", "alert_type"),
    [
        ("ok", "fraud 3: inputs ok again", "success"),
        ("unknown", "fraud 3: inputs not known any more", "info"),
        ("reference_mismatch", "fraud 3: inputs do not fit the reference", "warning"),
        ("newer", "fraud 3: inputs newer", "info"),
    ],
)
def test_a_family_and_its_other_states(state: str, title: str, alert_type: str) -> None:
    """What is not known is left out; a state of a newer release is shown as it is."""
    found = made(change("", state))
    assert (title, alert_type) == (found.title, found.alert_type)
    assert "threshold" not in found.text
    assert not [tag for tag in found.tags if tag.startswith(("feature:", "statistic:"))]


@pytest.mark.parametrize(
    ("state", "title", "alert_type"),
    [
        (
            "changed",
            "fraud 3: columns differ from the reference (missing columns)",
            "warning",
        ),
        (
            "ok",
            "fraud 3: columns are those of the reference again (missing columns)",
            "success",
        ),
    ],
)
def test_columns_that_differ(state: str, title: str, alert_type: str) -> None:
    """They are listed."""
    found = made(SchemaChange(MODEL, "ab", "missing_columns", ("a", "b"), state, AT_S))
    assert (title, alert_type) == (found.title, found.alert_type)
    assert "- a\n- b\n" in found.text


def test_names_notify_nobody() -> None:
    """Datadog would write to whomever a column is called after; within a word it is no mention."""
    names = ("@pagerduty", "'@a@b.example", "mail@example")
    found = made(SchemaChange(ModelKey("@all"), "ab", "extra_columns", names, "changed", AT_S))
    at = "\N{FULLWIDTH COMMERCIAL AT}"
    assert found.title.startswith(f"{at}all: ")
    assert f"- {at}pagerduty\n- '{at}a@b.example\n- mail@example\n" in found.text


def test_something_that_is_set_up_wrongly() -> None:
    """The line of the log says what to do."""
    found = made(BROKEN)
    assert ("Tidegauge: TIDEGAUGE_DRIFT_PANE_S is set up wrongly", "error", BROKEN.message) == (
        found.title,
        found.alert_type,
        found.text,
    )
    assert ("subject:TIDEGAUGE_DRIFT_PANE_S", *TAGS) == found.tags


def test_a_kind_that_is_not_known_is_left_alone(kept: Kept) -> None:
    """A newer package may send more than this one has heard of."""
    DatadogEvents().on_event(Event())
    assert [] == kept.events


# -- one incident is one thread ------------------------------------------------------------------


def test_one_incident_is_one_thread() -> None:
    """All that drifts in a family of a model, in all windows, until it has ended."""
    keys = {
        made(change(feature, state, window)).aggregation_key
        for feature in ("", "amount", "age")
        for state in ("drifted", "ok", "unknown")
        for window in ("1d", "1000rows")
    }
    assert {"tidegauge:drift:fraud:3:inputs"} == keys


def test_other_incidents_are_other_threads() -> None:
    """Other models, versions and families; also where names are long or look alike."""
    models = [
        MODEL, ModelKey("fraud", "4"), ModelKey("fraud:3", ""), ModelKey("fr aud", "3"),
        ModelKey("fr_aud", "3"), ModelKey("x" * 200, "1"), ModelKey("x" * 200, "2"),
    ]  # fmt: skip
    events: list[Event] = [
        StateChange(model, "r", family, "", "1d", "drifted", AT_S)
        for model in models
        for family in ("inputs", "outputs")
    ]
    events += [SchemaChange(MODEL, "r", "missing_columns", (), "changed", AT_S), BROKEN]
    keys = [made(event).aggregation_key for event in events]
    # A colon in a name may stand for the one between name and version, and for nothing worse.
    assert len(events) - len(set(keys)) <= 2
    assert max(map(len, keys)) <= 100


# -- what arrives ---------------------------------------------------------------------------------


@given(ANY_EVENT)
def test_any_event_is_what_datadogs_model_takes(event: Event) -> None:
    """Whatever features and models are called."""
    found = made(event)
    assert len(found.title) <= 100
    body = json.loads(of_event(found, "box", 1.0).body)
    modelled(EVENTS, body)
    assert all(0 < len(tag) <= 200 for tag in body["tags"])


def test_events_arrive_without_an_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by entry point, sent over the exporter's own transport, none of its keys in it."""
    from tidegauge_exporter_datadog import DatadogExporter

    with DatadogIntake() as api:
        monkeypatch.setenv("DD_API_KEY", "0123456789abcdef")
        monkeypatch.setenv("DD_TAGS", "team:risk")
        monkeypatch.setenv("TIDEGAUGE_DATADOG_URL", api.url)
        monkeypatch.setattr(announce, "_sinks", None)
        exporter = DatadogExporter()
        announce.announce(DRIFTED)
        assert exporter.force_flush(LIMIT_S * 1000)
        exporter.shutdown()
        announce.announce(BROKEN)  # nobody exports any more
    (posted,) = api.posted(EVENTS)
    assert "fraud 3: inputs amount drifted" == posted.body["title"]
    assert 1_795_000_000 == posted.body["date_happened"]
    assert "team:risk" in posted.body["tags"]
    assert [] == api.faults
    monkeypatch.setattr(announce, "_sinks", None)


def test_events_arrive_through_the_agent(tmp_path: Path) -> None:
    """The same, as one strict Agent reads it."""
    with DogStatsDServer("unix", tmp_path) as agent:
        way = DogStatsD(read().address.parse(agent.url))
        transport.use(way, TAGS)
        DatadogEvents().on_event(DRIFTED)
        agent.wait_for(lambda: bool(agent.events()), "the event")
        transport.release(way)
        way.close(1.0)
        (event,) = agent.events()
        assert [] == agent.refused
    found = made(DRIFTED)
    assert (found.title, found.text) == (event.title, event.text)
    assert ("warning", found.aggregation_key) == (event.fields["t"], event.fields["k"])
    assert set(found.tags) == set(event.tags)


def test_without_an_exporter_nothing_happens() -> None:
    """The package may be installed and another exporter chosen."""
    DatadogEvents().on_event(DRIFTED)
    assert transport.in_use() is None


# -- not many --------------------------------------------------------------------------------------


def test_a_hundred_features_at_once_are_thirty_events_and_the_family(kept: Kept) -> None:
    """What has room says how many were left out."""
    now = [0.0]
    sink = DatadogEvents(clock=lambda: now[0])
    for number in range(100):
        sink.on_event(change(f"f{number}"))
    sink.on_event(change(""))
    titles = [event.title for event in kept.events]
    assert [*(f"fraud 3: inputs f{n} drifted" for n in range(30)), "fraud 3: inputs drifted"] == (
        titles
    )
    assert kept.events[-1].text.endswith("\n70 events before this one were left out: too many.")
    now[0] = 401.0
    sink.on_event(change("f200"))
    sink.on_event(change("f201"))
    assert ["fraud 3: inputs f200 drifted"] == [event.title for event in kept.events[31:]]
    assert "left out" not in kept.events[31].text


def test_an_end_is_sent_where_its_beginning_was(kept: Kept) -> None:
    """No alarm stays open, and none ends that nobody has heard of; an end costs no room."""
    sink = DatadogEvents(clock=lambda: 0.0)
    for state in ("drifted", "ok"):
        for number in range(100):
            sink.on_event(change(f"f{number}", state))
    begun = [e.title.split()[3] for e in kept.events if e.title.endswith("drifted")]
    ended = [e.title.split()[3] for e in kept.events if e.title.endswith("ok again")]
    assert begun == ended == [f"f{n}" for n in range(30)]
    assert set() == sink._silent


def test_an_end_whose_beginning_another_process_has_sent(kept: Kept) -> None:
    """Another one leads now, and knows nothing of it."""
    DatadogEvents().on_event(change("amount", "ok"))
    assert ["fraud 3: inputs amount ok again"] == [event.title for event in kept.events]


def test_alarms_that_come_and_go_all_day_are_what_datadog_takes(kept: Kept) -> None:
    """1000 of one thread in a day."""
    now = [0.0]
    sink = DatadogEvents(clock=lambda: now[0])
    for second in range(0, 86_400, 20):
        now[0] = float(second)
        for feature in ("", "amount"):
            sink.on_event(change(feature, "drifted" if second % 40 else "ok"))
    assert 900 <= len(kept.events) <= 1000
