"""Attribute keys: the same in OTLP, Prometheus and Datadog, so that one dashboard serves all.

None is one of Datadog's reserved ``env service version host device source``.
"""

from __future__ import annotations

MODEL_NAME = "model_name"
MODEL_VERSION = "model_version"
OPERATION = "operation"
STATUS = "status"
ERROR_TYPE = "error_type"
OUTPUT = "output"
GPU = "gpu"
COMPONENT = "component"  # gpu, cpu, memory

REFERENCE = "reference"
FEATURE = "feature"
BIN = "bin"
WINDOW = "window"
FAMILY = "family"
STATE = "state"
DETECTOR = "detector"
KIND = "kind"
MUTED = "muted"
STATISTIC = "statistic"
VALUE = "value"
THRESHOLD = "threshold"
ORIGIN = "origin"  # not "source": reserved in Datadog
BUILT = "built"
ROWS = "rows"

CAUSE = "cause"
SUBJECT = "subject"
PREDICTION_ID = "prediction_id"
REQUEST_ID = "request_id"
HTTP_ROUTE = "http_route"

# OpenTelemetry's own, as it writes them.
CPU_MODE = "cpu.mode"
HW_ID = "hw.id"
HW_NAME = "hw.name"
HW_PARENT = "hw.parent"
HW_TYPE = "hw.type"
OTEL_ERROR_TYPE = "error.type"

# A value of FAMILY in drift.muted alone: what is said of the reference as a whole is muted.
OF_REFERENCE = "reference"
