"""What is wrapped, and why."""

from __future__ import annotations

from tidegauge.observe import observer
from tidegauge.patcher import Methods, Patch

from tidegauge_onnxruntime._deferred import asynchronous, bound
from tidegauge_onnxruntime._extract import describe, features, outputs

PATCHES: tuple[Patch, ...] = (
    # InferenceSession has them from here, and so have the user's classes that derive from it.
    Methods(
        "onnxruntime.capi.onnxruntime_inference_collection",
        "Session",
        {
            "run": observer(
                "run", describe,
                argument="input_feed", position=1, features=features, outputs=outputs,
            ),
            # The same with values that may be on a device: those are counted.
            "run_with_ort_values": observer(
                "run_with_ort_values", describe,
                argument="input_dict_ort_values", position=1, features=features, outputs=outputs,
            ),
            # Inputs and outputs stay where they are, and nothing of them is looked at.
            "run_with_iobinding": bound(describe),
            # Returns before the result is there.
            "run_async": asynchronous(describe),
        },
    ),
)  # fmt: skip
