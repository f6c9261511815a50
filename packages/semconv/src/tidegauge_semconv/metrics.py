"""Every metric of the suite. A metric's name is a string literal nowhere else."""

from __future__ import annotations

from tidegauge_semconv import attributes as a
from tidegauge_semconv._spec import Kind, Merge, MetricSpec

_MODEL = (a.MODEL_NAME, a.MODEL_VERSION)
_CALL = (*_MODEL, a.OPERATION)
_WINDOW = (*_MODEL, a.REFERENCE, a.WINDOW)
_FEATURE = (*_MODEL, a.REFERENCE, a.FEATURE, a.WINDOW)
_GPU = (a.HW_ID, a.HW_NAME, a.HW_PARENT)
_DEVICE = (a.HW_ID, a.HW_NAME, a.HW_TYPE)
_BIN = (*_MODEL, a.REFERENCE, a.FEATURE, a.BIN)

# From 0.1 ms (a small tree model) to 10 s (a large one on a busy host); floats: ``le`` is "1.0".
LATENCY_BUCKETS = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
    0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip

# Where no reference says how a model's outputs are spread. Signed, and fine in [0, 1]: nobody knows
# whether it is a probability or a price.
VALUE_BUCKETS = (
    -1000.0, -100.0, -10.0, -5.0, -2.0, -1.0, -0.5, -0.1, 0.0,
    0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0,
    2.0, 5.0, 10.0, 100.0, 1000.0,
)  # fmt: skip

MODEL_REQUESTS = MetricSpec(
    "model.requests", Kind.COUNTER, "{request}",
    "Finished calls of a model's outermost prediction method, by success or error.",
    (*_CALL, a.STATUS), Merge.SUM,
)  # fmt: skip
MODEL_REQUEST_LATENCY = MetricSpec(
    "model.request.latency", Kind.HISTOGRAM, "s",
    "Wall time of a model's outermost prediction method.",
    _CALL, Merge.SUM, LATENCY_BUCKETS,
)  # fmt: skip
MODEL_ERRORS = MetricSpec(
    "model.errors", Kind.COUNTER, "{error}",
    "Calls that raised, by exception type (at most 20 types, then 'other').",
    (*_CALL, a.ERROR_TYPE), Merge.SUM,
)  # fmt: skip
MODEL_CANCELLED = MetricSpec(
    "model.cancelled", Kind.COUNTER, "{request}",
    "Calls that were cancelled or interrupted: neither success nor error.",
    _CALL, Merge.SUM,
)  # fmt: skip
MODEL_PREDICTIONS = MetricSpec(
    "model.predictions", Kind.COUNTER, "{row}",
    "Rows predicted by successful calls.",
    _CALL, Merge.SUM,
)  # fmt: skip
MODEL_PREDICTION_VALUE = MetricSpec(
    "model.prediction.value", Kind.HISTOGRAM, "",
    "Predicted values (sampled rows), one series an output; buckets from the reference, if any.",
    (*_MODEL, a.OUTPUT), Merge.SUM, VALUE_BUCKETS,
)  # fmt: skip

MODEL_CPU_USAGE = MetricSpec(
    "model.cpu.usage", Kind.GAUGE, "%",
    "Processor use of the process, split over its models by share of prediction time.",
    (a.MODEL_NAME,), Merge.SUM,
)  # fmt: skip
MODEL_MEMORY_USAGE = MetricSpec(
    "model.memory.usage", Kind.GAUGE, "By",
    "Memory of the process, split over its models by share of prediction time.",
    (a.MODEL_NAME,), Merge.SUM,
)  # fmt: skip
MODEL_GPU_MEMORY = MetricSpec(
    "model.gpu.memory", Kind.GAUGE, "By",
    "GPU memory of the process by the GPU's UUID, split over its models by prediction time.",
    (a.MODEL_NAME, a.GPU), Merge.SUM,
)  # fmt: skip
MODEL_ACCURACY = MetricSpec(
    "model.accuracy", Kind.GAUGE, "",
    "Share of right predictions in the last matured cohort.",
    _MODEL, Merge.LEADER,
)  # fmt: skip

MODEL_MARKER_START_TIME = MetricSpec(
    "model.marker.start_time", Kind.GAUGE, "s",
    "When a deploy or a backfill that somebody has marked began (Unix seconds), while it lasts.",
    (*_MODEL, a.KIND), Merge.LEADER,
)  # fmt: skip

# One leader counts the rows of all processes of a launch, so that a counter is LEADER here.
MODEL_FEATURE_BIN = MetricSpec(
    "model.feature.bin", Kind.COUNTER, "{row}",
    "Rows of a feature or output by bin of drift.psi.value, and 'missing' and 'other'.",
    _BIN, Merge.LEADER,
)  # fmt: skip
DRIFT_REFERENCE_BIN_RATIO = MetricSpec(
    "drift.reference.bin.ratio", Kind.GAUGE, "",
    "The reference's share of each bin of drift.psi.value; missing values take no part.",
    _BIN, Merge.LEADER,
)  # fmt: skip
DRIFT_DESIGN_EFFECT = MetricSpec(
    "drift.design.effect", Kind.GAUGE, "",
    "So many rows say as much about a feature as one independent row.",
    (*_MODEL, a.REFERENCE, a.FEATURE), Merge.LEADER,
)  # fmt: skip
DRIFT_PSI_VALUE = MetricSpec(
    "drift.psi.value", Kind.GAUGE, "",
    "Population stability index of the last closed window on the reference's 10 quantile bins.",
    _FEATURE, Merge.LEADER,
)  # fmt: skip
DRIFT_KS_STATISTIC = MetricSpec(
    "drift.ks.statistic", Kind.GAUGE, "",
    "Kolmogorov-Smirnov statistic of the last closed window against the reference.",
    _FEATURE, Merge.LEADER,
)  # fmt: skip
DRIFT_KL_DIVERGENCE = MetricSpec(
    "drift.kl.divergence", Kind.GAUGE, "",
    "Kullback-Leibler divergence of the last closed window from the reference, on its cells.",
    _FEATURE, Merge.LEADER,
)  # fmt: skip
DRIFT_JS_DISTANCE = MetricSpec(
    "drift.js.distance", Kind.GAUGE, "",
    "Jensen-Shannon distance of the last closed window and the reference, on its cells.",
    _FEATURE, Merge.LEADER,
)  # fmt: skip
DRIFT_WASSERSTEIN_DISTANCE = MetricSpec(
    "drift.wasserstein.distance", Kind.GAUGE, "",
    "Wasserstein distance of the last closed window and the reference, in the feature's unit.",
    _FEATURE, Merge.LEADER,
)  # fmt: skip
DRIFT_DETECTED = MetricSpec(
    "drift.detected", Kind.GAUGE, "",
    "1 when two windows in a row differ from the reference; in classic mode one whose values "
    "differ is enough; feature is empty for a whole family.",
    (*_MODEL, a.REFERENCE, a.FEATURE, a.WINDOW, a.FAMILY), Merge.LEADER,
)  # fmt: skip
DRIFT_MUTED = MetricSpec(
    "drift.muted", Kind.GAUGE, "",
    "1 where somebody has muted what drift.detected says, with family reference what is said of "
    "the reference as a whole; no series where nobody has.",
    (*_MODEL, a.REFERENCE, a.FEATURE, a.WINDOW, a.FAMILY), Merge.LEADER,
)  # fmt: skip
DRIFT_FEATURES = MetricSpec(
    "drift.features", Kind.GAUGE, "{feature}",
    "Features of the last closed window, by state.",
    (*_WINDOW, a.STATE), Merge.LEADER,
)  # fmt: skip
DRIFT_STREAM_DETECTED = MetricSpec(
    "drift.stream.detected", Kind.GAUGE, "",
    "1 for a day after a streaming detector has alarmed; kswin, ddm and eddm: not for alerting.",
    (*_MODEL, a.REFERENCE, a.FEATURE, a.DETECTOR), Merge.LEADER,
)  # fmt: skip
DRIFT_WINDOW_ROWS = MetricSpec(
    "drift.window.rows", Kind.GAUGE, "{row}",
    "Rows of the last closed window.",
    _WINDOW, Merge.LEADER,
)  # fmt: skip
DRIFT_EFFECTIVE_ROWS = MetricSpec(
    "drift.effective.rows", Kind.GAUGE, "{row}",
    "Rows of the last closed window, divided by what their dependence is worth.",
    _FEATURE, Merge.LEADER,
)  # fmt: skip
DRIFT_REFERENCE_INFO = MetricSpec(
    "drift.reference.info", Kind.GAUGE, "",
    "1 for each reference profile in use.",
    (*_MODEL, a.REFERENCE, a.ORIGIN, a.BUILT, a.ROWS), Merge.LEADER,
)  # fmt: skip
DRIFT_REFERENCE_AGE = MetricSpec(
    "drift.reference.age", Kind.GAUGE, "s",
    "Time since the reference profile in use was built.",
    (*_MODEL, a.REFERENCE), Merge.LEADER,
)  # fmt: skip

DATA_QUALITY_MISSING_RATIO = MetricSpec(
    "data_quality.missing.ratio", Kind.GAUGE, "",
    "Share of missing values in the last closed window.",
    _FEATURE, Merge.LEADER,
)  # fmt: skip
DATA_QUALITY_OUT_OF_RANGE_RATIO = MetricSpec(
    "data_quality.out_of_range.ratio", Kind.GAUGE, "",
    "Share of values in the last closed window beyond what the reference has seen.",
    _FEATURE, Merge.LEADER,
)  # fmt: skip
DATA_QUALITY_NEW_CATEGORY_RATIO = MetricSpec(
    "data_quality.new_category.ratio", Kind.GAUGE, "",
    "Share of values in the last closed window that the reference does not know.",
    _FEATURE, Merge.LEADER,
)  # fmt: skip
DATA_QUALITY_TYPE_ERROR_RATIO = MetricSpec(
    "data_quality.type_error.ratio", Kind.GAUGE, "",
    "Share of values in the last closed window that are of another type.",
    _FEATURE, Merge.LEADER,
)  # fmt: skip

# OpenTelemetry's names, but a ratio has no unit: every way to Prometheus leads to one name.
PROCESS_CPU_TIME = MetricSpec(
    "process.cpu.time", Kind.COUNTER, "s",
    "CPU time of the process.",
    (a.CPU_MODE,), Merge.SUM,
)  # fmt: skip
PROCESS_CPU_UTILIZATION = MetricSpec(
    "process.cpu.utilization", Kind.GAUGE, "",
    "CPU time of the process lately, as a share of the cores that it may use.",
    (a.CPU_MODE,), Merge.SUM,
)  # fmt: skip
PROCESS_MEMORY_USAGE = MetricSpec(
    "process.memory.usage", Kind.UPDOWN, "By",
    "Physical memory of the process; what workers share counts in each of them.",
    (), Merge.SUM,
)  # fmt: skip
PROCESS_MEMORY_VIRTUAL = MetricSpec(
    "process.memory.virtual", Kind.UPDOWN, "By",
    "Virtual memory of the process.",
    (), Merge.SUM,
)  # fmt: skip
PROCESS_THREAD_COUNT = MetricSpec(
    "process.thread.count", Kind.UPDOWN, "{thread}",
    "Threads of the process.",
    (), Merge.SUM,
)  # fmt: skip
PROCESS_FILE_DESCRIPTORS = MetricSpec(
    "process.unix.file_descriptor.count", Kind.UPDOWN, "{file_descriptor}",
    "Open file descriptors of the process.",
    (), Merge.SUM,
)  # fmt: skip
CONTAINER_CPU_USAGE = MetricSpec(
    "container.cpu.usage", Kind.GAUGE, "{cpu}",
    "Cores in use in the process's control group.",
    (), Merge.LEADER,
)  # fmt: skip
CONTAINER_CPU_LIMIT = MetricSpec(
    "container.cpu.limit", Kind.UPDOWN, "{cpu}",
    "Cores that the control group may use; absent without a quota.",
    (), Merge.LEADER,
)  # fmt: skip
CONTAINER_CPU_UTILIZATION = MetricSpec(
    "container.cpu.utilization", Kind.GAUGE, "",
    "Cores in use as a share of the quota; absent without one.",
    (), Merge.LEADER,
)  # fmt: skip
CONTAINER_MEMORY_USAGE = MetricSpec(
    "container.memory.usage", Kind.UPDOWN, "By",
    "Memory of the control group, cached files included.",
    (), Merge.LEADER,
)  # fmt: skip
CONTAINER_MEMORY_WORKING_SET = MetricSpec(
    "container.memory.working_set", Kind.UPDOWN, "By",
    "Memory of the control group without files that can be dropped.",
    (), Merge.LEADER,
)  # fmt: skip
CONTAINER_MEMORY_LIMIT = MetricSpec(
    "container.memory.limit", Kind.UPDOWN, "By",
    "Memory that the control group may use; absent without a limit.",
    (), Merge.LEADER,
)  # fmt: skip
CONTAINER_MEMORY_UTILIZATION = MetricSpec(
    "container.memory.utilization", Kind.GAUGE, "",
    "Working set as a share of the nearest limit; absent without one.",
    (), Merge.LEADER,
)  # fmt: skip

HW_GPU_UTILIZATION = MetricSpec(
    "hw.gpu.utilization", Kind.GAUGE, "",
    "Share of the last sample's time in which the GPU ran anything; absent for a MIG partition.",
    _GPU, Merge.LEADER,
)  # fmt: skip
HW_GPU_MEMORY_USAGE = MetricSpec(
    "hw.gpu.memory.usage", Kind.UPDOWN, "By",
    "Memory of the GPU, or of the MIG partition, that is in use.",
    _GPU, Merge.LEADER,
)  # fmt: skip
HW_GPU_MEMORY_LIMIT = MetricSpec(
    "hw.gpu.memory.limit", Kind.UPDOWN, "By",
    "Memory of the GPU, or of the MIG partition.",
    _GPU, Merge.LEADER,
)  # fmt: skip
HW_GPU_MEMORY_UTILIZATION = MetricSpec(
    "hw.gpu.memory.utilization", Kind.GAUGE, "",
    "Memory in use as a share of all of it.",
    _GPU, Merge.LEADER,
)  # fmt: skip
HW_TEMPERATURE = MetricSpec(
    "hw.temperature", Kind.GAUGE, "Cel",
    "Temperature of the device.",
    _DEVICE, Merge.LEADER,
)  # fmt: skip
HW_POWER = MetricSpec(
    "hw.power", Kind.GAUGE, "W",
    "Power that the device draws.",
    _DEVICE, Merge.LEADER,
)  # fmt: skip
HW_ENERGY = MetricSpec(
    "hw.energy", Kind.COUNTER, "J",
    "Energy that the device has used since it was first read.",
    _DEVICE, Merge.LEADER,
)  # fmt: skip
HW_ERRORS = MetricSpec(
    "hw.errors", Kind.COUNTER, "{error}",
    "Memory errors of the device since it was first read, corrected and uncorrected ones.",
    (*_DEVICE, a.OTEL_ERROR_TYPE), Merge.LEADER,
)  # fmt: skip

MODEL_REQUEST_RATE = MetricSpec(
    "model.request.rate", Kind.GAUGE, "{request}/s",
    "Finished calls a second lately, of all workers together.",
    _MODEL, Merge.LEADER,
)  # fmt: skip
MODEL_COST_PER_1K = MetricSpec(
    "model.cost.per_1k_requests", Kind.GAUGE, "",
    "What 1,000 requests cost lately, in the currency of TIDEGAUGE_COST_PER_HOUR.",
    (a.MODEL_NAME,), Merge.LEADER,
)  # fmt: skip
MODEL_ENERGY_USAGE = MetricSpec(
    "model.energy.usage", Kind.COUNTER, "J",
    "Energy of the launch's devices, split over its models by share of prediction time.",
    (a.MODEL_NAME, a.COMPONENT), Merge.LEADER,
)  # fmt: skip
MODEL_ENERGY_PER_1K = MetricSpec(
    "model.energy.per_1k_requests", Kind.GAUGE, "J",
    "Energy that 1,000 requests took lately.",
    (a.MODEL_NAME,), Merge.LEADER,
)  # fmt: skip
MODEL_CARBON_EMISSIONS = MetricSpec(
    "model.carbon.emissions", Kind.COUNTER, "g",
    "CO2e that the energy has caused, by the carbon intensity that is set.",
    (a.MODEL_NAME,), Merge.LEADER,
)  # fmt: skip
MODEL_CARBON_PER_1K = MetricSpec(
    "model.carbon.per_1k_requests", Kind.GAUGE, "g",
    "CO2e that 1,000 requests caused lately.",
    (a.MODEL_NAME,), Merge.LEADER,
)  # fmt: skip

TIDEGAUGE_ROWS = MetricSpec(
    "tidegauge.rows", Kind.COUNTER, "{row}",
    "Rows seen, used and dropped by the feature pipeline.",
    (*_MODEL, a.STATE), Merge.SUM,
)  # fmt: skip
TIDEGAUGE_ERRORS = MetricSpec(
    "tidegauge.errors", Kind.COUNTER, "{error}",
    "Faults inside Tidegauge that the app never saw, by cause; `lost.*` are calls not counted, "
    "`configuration` are settings and files that are wrong.",
    (a.CAUSE,), Merge.SUM,
)  # fmt: skip
TIDEGAUGE_EXPORT_FAILURES = MetricSpec(
    "tidegauge.export.failures", Kind.COUNTER, "{export}",
    "Exports that did not reach their backend, by exporter.",
    (a.CAUSE,), Merge.SUM,
)  # fmt: skip
