"""What is wrapped, and why."""

from __future__ import annotations

from tidegauge.calls import Calls
from tidegauge.observe import Decorator, recorder
from tidegauge.patcher import Methods, Patch

from tidegauge_onnxruntime._deferred import asynchronous, bound
from tidegauge_onnxruntime._extract import answers, describe, features


def recorded(operation: str, argument: str) -> Decorator:
    """Return the decorator of a method that is given the outputs' names and then the feed."""
    calls = Calls(operation, describe, argument, position=1, features=features)
    calls.outputs, calls.plain_dtype = answers, None
    return recorder(calls)


PATCHES: tuple[Patch, ...] = (
    # InferenceSession has them from here, and so have the user's classes that derive from it.
    Methods(
        "onnxruntime.capi.onnxruntime_inference_collection",
        "Session",
        {
            "run": recorded("run", "input_feed"),
            # The same with values that may be on a device: those are counted.
            "run_with_ort_values": recorded("run_with_ort_values", "input_dict_ort_values"),
            # Inputs and outputs stay where they are, and nothing of them is looked at.
            "run_with_iobinding": bound(describe),
            # Returns before the result is there.
            "run_async": asynchronous(describe),
        },
    ),
)  # fmt: skip
