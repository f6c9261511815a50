"""What an integration tells the trace around a call, and what no metric or span may carry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tidegauge import set_model_info
from tidegauge.info import ModelInfo
from tidegauge.observe import observer
from tidegauge.runtime import shared
from tidegauge_semconv import attributes

from tidegauge_testkit.contracts.case import ROWS, Case
from tidegauge_testkit.recording import Recording

_CALLS = 40


class TracingContract(Case):
    """Each test tells one promise."""

    def test_the_span_around_a_call_is_told(self, recording: Recording, model: Any) -> None:
        """The span of a request gets the model's name, its version and an id of the prediction."""
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - as in inputs

        set_model_info(model, "fraud", "3")
        tracer: Any = TracerProvider().get_tracer("app")
        told = []
        for _ in range(2):
            with tracer.start_as_current_span("request") as span:
                self.ask(model)
            told.append(dict(span.attributes))
        for found in told:
            assert found[attributes.MODEL_NAME] == "fraud"
            assert found[attributes.MODEL_VERSION] == "3"
            assert set(found) == {
                attributes.MODEL_NAME,
                attributes.MODEL_VERSION,
                attributes.PREDICTION_ID,
            }
        assert told[0][attributes.PREDICTION_ID] != told[1][attributes.PREDICTION_ID]
        assert recording.calls() == 2

    def test_slow_calls_lead_to_their_traces(self, recording: Recording, model: Any) -> None:
        """The latency's exemplars are traces of calls, with the prediction's id."""
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - as in inputs

        tracer: Any = TracerProvider().get_tracer("app")
        spans = {}
        for _ in range(_CALLS):
            with tracer.start_as_current_span("request") as span:
                self.ask(model)
            told = dict(span.attributes)
            spans[told[attributes.PREDICTION_ID]] = span.get_span_context()
        (counts,) = recording.counts().values()
        found = list(counts.latency.exemplars.values())
        assert found
        for exemplar in found:
            context = spans[exemplar.prediction_id]
            assert (exemplar.trace_id, exemplar.span_id) == (context.trace_id, context.span_id)

    def test_a_sampled_out_trace_is_left_alone(self, recording: Recording, model: Any) -> None:
        """A span that does not record gets nothing, and the call counts."""
        from opentelemetry.sdk.trace import TracerProvider, sampling  # noqa: PLC0415 - as in inputs

        tracer = TracerProvider(sampler=sampling.ALWAYS_OFF).get_tracer("app")
        with tracer.start_as_current_span("request"):
            self.ask(model)
        (counts,) = recording.counts().values()
        assert (counts.success, counts.latency.exemplars) == (1, {})

    def test_no_path_leaves_the_process(self, model: Any, tmp_path: Path) -> None:
        """A model that was loaded from a file is called by a name, never by a path."""
        folder = tmp_path / "secret-folder"
        folder.mkdir()
        found = self.scenario.reload(model, folder)
        if found is None:
            pytest.skip(f"{self.scenario.library} has no files of its own")
        with Recording() as recording:
            self.ask(found)
            assert recording.calls() == 1
            told = repr([(channel.key, channel.info) for channel in shared.channels.all()])
        assert "secret-folder" not in told
        assert str(tmp_path) not in told

    def test_one_librarys_model_inside_anothers(self, recording: Recording, model: Any) -> None:
        """Where another library's model asks this one, the outer call is the request."""

        class Outer:
            pass

        decorate = observer("predict", lambda _: ModelInfo("other", "Outer"))
        predict = decorate(lambda _, data: self.scenario.predict(model, data))
        inside = self.scenario.numbers(predict(Outer(), self.scenario.data(ROWS)))
        assert {name for name, _ in recording.counts()} == {"Outer"}
        assert recording.calls() == 1
        assert self.scenario.numbers(self.ask(model)) == inside
        assert recording.models() == {"Outer", self.scenario.model_name}
