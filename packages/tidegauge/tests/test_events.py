"""Events reach every sink once, and OpenTelemetry's logs as the SDK at hand wants them."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tidegauge import announce, guard, otel_private
from tidegauge.batch import ModelKey
from tidegauge.events import Event, SchemaChange, StateChange
from tidegauge.log_events import LogEvents
from tidegauge_semconv.events import MODEL_DRIFT_DETECTED, MODEL_SCHEMA_CHANGED

CHANGE = StateChange(
    ModelKey("fraud", "3"), "ab12cd34", "inputs", "amount", "1000rows", "drifted",
    1_700_000_000.5, "ks.statistic", 0.31, 0.05,
)  # fmt: skip


def test_a_change_is_a_log_record_with_the_events_name_and_attributes(logs: Any) -> None:
    """The record is encoded by OTLP's own encoder, with the resource of the provider."""
    encoder = pytest.importorskip("opentelemetry.exporter.otlp.proto.common._log_encoder")
    LogEvents().on_event(CHANGE)

    (found,) = encoder.encode_logs(logs.finished()).resource_logs
    (scope,) = found.scope_logs
    (record,) = scope.log_records
    attributes = {
        pair.key: getattr(pair.value, str(pair.value.WhichOneof("value")))
        for pair in record.attributes
    }
    name = getattr(record, "event_name", "") or attributes.pop("event.name")
    assert "model.drift.detected" == name == MODEL_DRIFT_DETECTED.name
    assert scope.scope.name == "tidegauge"
    assert "service.name" in {pair.key for pair in found.resource.attributes}
    assert (record.time_unix_nano, record.severity_text) == (1_700_000_000_500_000_000, "WARN")
    assert record.severity_number == 13
    assert (record.trace_id, record.span_id) in {(b"", b""), (bytes(16), bytes(8))}
    assert attributes == {
        "model_name": "fraud", "model_version": "3", "reference": "ab12cd34", "family": "inputs",
        "feature": "amount", "window": "1000rows", "state": "drifted",
        "statistic": "ks.statistic", "value": 0.31, "threshold": 0.05, "muted": False,
    }  # fmt: skip
    assert set(MODEL_DRIFT_DETECTED.attributes) == set(attributes)
    assert record.body.string_value == (
        "fraud 3: inputs amount drifted in window 1000rows (ks.statistic 0.31, threshold 0.05)"
    )


def test_an_end_is_for_information_and_leaves_out_what_is_not_known(logs: Any) -> None:
    """No value is no attribute, never 0."""
    ended = StateChange(ModelKey("m"), "ab", "inputs", "", "1d", "ok", 1.0)
    LogEvents().on_event(ended)

    (found,) = logs.finished()
    record = found.log_record
    assert record.severity_text == "INFO"
    assert record.body == "m: inputs ok in window 1d"
    assert not {"value", "threshold"} & set(record.attributes)


def test_a_muted_alarm_is_for_information_and_says_why(logs: Any) -> None:
    """The record stays: only who is woken by warnings is left alone."""
    muted = replace(CHANGE, muted_until_s=1_700_086_400.0, muted_because="a new supplier")
    LogEvents().on_event(muted)

    (found,) = logs.finished()
    assert ("INFO", True) == (found.log_record.severity_text, found.log_record.attributes["muted"])
    assert (
        "fraud 3: inputs amount drifted in window 1000rows (ks.statistic 0.31, threshold 0.05); "
        "muted until 2023-11-15 22:13:20 UTC because 'a new supplier'"
    ) == found.log_record.body


def test_columns_that_differ_are_a_log_record_of_their_own(logs: Any) -> None:
    """A WARNING with the columns in its body when it begins, for information when it ends."""
    for state in ("changed", "ok"):
        found = SchemaChange(ModelKey("fraud", "3"), "ab", "missing_columns", ("a", "b"), state, 1)
        LogEvents().on_event(found)
    begun, ended = (each.log_record for each in logs.finished())
    attributes = dict(begun.attributes)
    name = getattr(begun, "event_name", "") or attributes.pop("event.name")

    assert "model.schema.changed" == name == MODEL_SCHEMA_CHANGED.name
    assert ("WARN", "INFO") == (begun.severity_text, ended.severity_text)
    assert "fraud 3: missing_columns changed (a, b)" == begun.body
    assert {
        "model_name": "fraud", "model_version": "3", "reference": "ab",
        "subject": "missing_columns", "state": "changed",
    } == {key: attributes[key] for key in MODEL_SCHEMA_CHANGED.attributes}  # fmt: skip


def test_without_a_provider_of_logs_nothing_happens(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most apps have none: that is no fault and no line."""
    monkeypatch.setattr("opentelemetry._logs._internal._LOGGER_PROVIDER", None)
    guard.reset()
    LogEvents().on_event(CHANGE)
    announce.announce(CHANGE)

    assert guard.counts() == {}
    assert caplog.records == []


def test_a_provider_that_is_set_later_gets_what_comes_later(logs: Any) -> None:
    """The sink is built before the app has set its provider."""
    sink = LogEvents()
    sink.on_event(CHANGE)
    assert len(logs.finished()) == 1


def test_a_kind_of_event_that_it_does_not_know_is_left_alone(logs: Any) -> None:
    """A newer package may send more than this sink has heard of."""
    LogEvents().on_event(Event())

    assert list(logs.finished()) == []


SINKS = """
class Broken:
    def on_event(self, event):
        raise RuntimeError("it is full")

class Kept:
    seen = []
    def on_event(self, event):
        self.seen.append(event)
"""


def test_a_sink_that_fails_does_not_keep_others_from_hearing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logs: Any
) -> None:
    """Sinks are found by entry point and told in the order of their names, each in a guard."""
    metadata = tmp_path / "sinking-1.0.dist-info"
    metadata.mkdir()
    (tmp_path / "sinking.py").write_text(SINKS)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: sinking\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[tidegauge_event_sink]\na_broken = sinking:Broken\nz_kept = sinking:Kept\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(announce, "_sinks", None)
    guard.reset()
    announce.announce(CHANGE)

    import sinking  # type: ignore[import-not-found]

    assert sinking.Kept.seen == [CHANGE]
    assert len(logs.finished()) == 1
    assert guard.counts() == {"event.Broken:RuntimeError": 1}
    monkeypatch.setattr(announce, "_sinks", None)
    guard.reset()


class LogRecord:
    """The record that an SDK before 1.39 takes; one before 1.35 has no name of an event."""

    def __init__(self, timestamp: int, attributes: dict[str, Any], resource: object) -> None:
        self.found = timestamp, attributes, resource


class NamedRecord(LogRecord):
    """As from 1.35 on."""

    def __init__(
        self, timestamp: int, attributes: dict[str, Any], resource: object, event_name: str
    ) -> None:
        super().__init__(timestamp, attributes, resource)
        self.name = event_name


class OldLogger:
    """A logger of those SDKs."""

    resource = "ours"

    def emit(self, record: LogRecord) -> None:
        """Keep a record."""
        self.record = record


@pytest.mark.parametrize("kind", [LogRecord, NamedRecord])
def test_an_old_logger_gets_a_record_of_its_sdk(
    monkeypatch: pytest.MonkeyPatch, kind: type[LogRecord]
) -> None:
    """With the resource of the logger and no span; the name is an attribute where it has none."""
    monkeypatch.setattr(sys.modules[__name__], "LogRecord", kind)
    logger = OldLogger()
    otel_private.emit_event(logger, "model.x", timestamp=7, attributes={"a": 1})
    named = kind is NamedRecord
    attributes = {"a": 1} if named else {"a": 1, "event.name": "model.x"}
    assert (7, attributes, "ours") == logger.record.found
    assert getattr(logger.record, "name", None) == ("model.x" if named else None)
