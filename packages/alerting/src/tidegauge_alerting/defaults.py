"""The alerts that come with the suite. Each threshold and guard says where it comes from."""

from __future__ import annotations

from tidegauge_semconv import attributes as a
from tidegauge_semconv import metrics

from tidegauge_alerting.definitions import (
    AlertDefinition,
    Comparison,
    EffectiveGuard,
    EventGuard,
    Increase,
    Last,
    Quantile,
    Reachable,
    RowGuard,
    Severity,
    Share,
    StabilityIndex,
    Vanished,
    Where,
)

_MINUTE = 60
_HOUR = 3600
_DAY = 24 * _HOUR
_MODEL = (a.MODEL_NAME, a.MODEL_VERSION)

# A window of 5 minutes that must hold for 5: a single burst leaves the window before it can alert.
_SERVICE_WINDOW_S = 5 * _MINUTE
_SERVICE_FOR_S = 5 * _MINUTE

# Simulated at 1 to 40 requests a minute, 1 % of them failing on a good day: with 20 requests as
# the guard a healthy model alerts up to 8 times a month, with 3 failures once, with 5 at most 0.03
# times. A model that fails every call is still seen from 1 request a minute on.
_MIN_EVENTS = 5

# The bands of the index: below 0.1 none, below 0.2 moderate, above it significant.
_PSI_SIGNIFICANT = 0.2
# Shares below this are raised to it before the logarithm: the bands hold for this floor alone.
_PSI_FLOOR = 1e-4
# Clean data has a mean index of about 9 / rows: 0.03 at 300 effective rows, but 0.6 at 14.
_MIN_ROWS = 300

# A model that had 20 requests in the last hour and is gone for 15 minutes was busy: after a restart
# it shows up with its first request, and then 15 minutes without one would be rare.
_BUSY_REQUESTS = 20
_GONE_FOR_S = 15 * _MINUTE

HIGH_ERROR_RATE = AlertDefinition(
    name="HighErrorRate",
    metric=metrics.MODEL_REQUESTS,
    measure=Share((Where(a.STATUS, ("error",)),), _MODEL, _SERVICE_WINDOW_S),
    comparison=Comparison.ABOVE,
    threshold=0.05,
    unit="share",
    guard=EventGuard(_MIN_EVENTS),
    for_s=_SERVICE_FOR_S,
    severity=Severity.CRITICAL,
    summary="{value:percent} of the predictions of {model} fail",
    description=(
        "More than {threshold:percent} of the calls of {model} have raised for 5 minutes, "
        "over all its processes. Look at {see} by type for what they raise, then at the log of "
        "the service and at what was deployed when it began."
    ),
    see=(metrics.MODEL_ERRORS,),
)

HIGH_LATENCY = AlertDefinition(
    name="HighLatency",
    metric=metrics.MODEL_REQUEST_LATENCY,
    measure=Quantile(0.95, _MODEL, _SERVICE_WINDOW_S),
    comparison=Comparison.ABOVE,
    threshold=0.5,
    guard=EventGuard(_MIN_EVENTS),
    for_s=_SERVICE_FOR_S,
    severity=Severity.WARNING,
    summary="The slowest 5 % of the predictions of {model} take {value:duration} or more",
    description=(
        "The 95th percentile of the time inside {model} has been above {threshold:duration} for "
        "5 minutes, over all its processes. Look at the latency by operation, the rows per "
        "request, and the processor and memory use of the hosts."
    ),
)

DATA_DRIFT_DETECTED = AlertDefinition(
    name="DataDriftDetected",
    metric=metrics.DRIFT_PSI_VALUE,
    measure=Last(),
    comparison=Comparison.ABOVE,
    threshold=_PSI_SIGNIFICANT,
    guard=RowGuard(metrics.DRIFT_EFFECTIVE_ROWS, _MIN_ROWS),
    for_s=_MINUTE,
    severity=Severity.WARNING,
    summary="{feature} of {model} has moved away from the reference (PSI {value:number})",
    description=(
        "The last {window} window of {feature} has a population stability index above "
        "{threshold:number} against reference {reference}. Look for a change upstream first: a "
        "unit, a default, a new source. `tidegauge explain '{model_name}'` on its host shows which "
        "values moved. A window that closes without the shift ends this."
    ),
)

MODEL_DRIFT = AlertDefinition(
    name="ModelDrift",
    metric=metrics.DRIFT_DETECTED,
    measure=Last((Where(a.FEATURE, ("",)), Where(a.FAMILY, ("outputs", "data_quality")))),
    comparison=Comparison.EQUAL,
    threshold=1,
    unit="fixed",
    severity=Severity.CRITICAL,
    summary="The {family} of {model} differ from the reference",
    description=(
        "Two {window} windows in a row of the {family} of {model} differ from reference "
        "{reference} by more than chance explains. Do not trust its answers without a look: "
        "`tidegauge explain '{model_name}'` on its host says why. Compare {see} of its features at "
        "the same time, and what was deployed last."
    ),
    see=(metrics.DRIFT_PSI_VALUE, metrics.DRIFT_KS_STATISTIC),
)

INPUT_DRIFT = AlertDefinition(
    name="InputDrift",
    metric=metrics.DRIFT_DETECTED,
    measure=Last((Where(a.FEATURE, ("",)), Where(a.FAMILY, ("inputs",)))),
    comparison=Comparison.EQUAL,
    threshold=1,
    unit="fixed",
    severity=Severity.WARNING,
    summary="The inputs of {model} differ from the reference",
    description=(
        "At least one feature of {model} differs from reference {reference} in two {window} "
        "windows in a row, by more than chance explains. {see} is 1 for each such feature, and "
        "`tidegauge explain '{model_name}'` on its host says what changed; look upstream of it."
    ),
    see=(metrics.DRIFT_DETECTED,),
)

MODEL_TELEMETRY_MISSING = AlertDefinition(
    name="ModelTelemetryMissing",
    metric=metrics.MODEL_REQUESTS,
    # By name alone: a new version that takes over from an old one is no alert.
    measure=Vanished((a.MODEL_NAME,), _HOUR),
    comparison=Comparison.AT_LEAST,
    threshold=_BUSY_REQUESTS,
    for_s=_GONE_FOR_S,
    severity=Severity.WARNING,
    summary="Model {model_name} sends no telemetry any more",
    description=(
        "Model {model_name} answered requests in the last hour and no process of it has been "
        "seen for 15 minutes: it is down, or nobody watches it. Look whether its service runs, "
        "is scraped, and has loaded the model. If it was retired, this ends within the hour."
    ),
)

TELEMETRY_TARGET_DOWN = AlertDefinition(
    name="TelemetryTargetDown",
    metric=metrics.MODEL_REQUESTS,
    measure=Reachable(),
    comparison=Comparison.EQUAL,
    threshold=0,
    unit="fixed",
    for_s=5 * _MINUTE,
    severity=Severity.WARNING,
    summary="{target} serves models and cannot be scraped",
    description=(
        "{target} has shown the metrics of a model and has not answered a scrape for 5 minutes. "
        "Until it does, no other alert sees the models that it serves. Look whether the process "
        "runs, and ask its /metrics by hand."
    ),
)

TIDEGAUGE_FAULTS = AlertDefinition(
    name="TidegaugeFaults",
    metric=metrics.TIDEGAUGE_ERRORS,
    measure=Increase((a.CAUSE,), _HOUR),
    comparison=Comparison.ABOVE,
    threshold=0,
    unit="fixed",
    severity=Severity.INFO,
    summary="Tidegauge itself met faults ({cause})",
    description=(
        "The app is not affected, but its telemetry may have gaps. The log of the service has one "
        "line for this cause; `tidegauge doctor` checks the set-up."
    ),
)

TIDEGAUGE_EXPORT_FAILING = AlertDefinition(
    name="TidegaugeExportFailing",
    metric=metrics.TIDEGAUGE_EXPORT_FAILURES,
    measure=Increase((a.CAUSE,), _HOUR),
    comparison=Comparison.ABOVE,
    threshold=0,
    unit="fixed",
    severity=Severity.INFO,
    summary="Telemetry does not reach its backend ({cause})",
    description=(
        "Exports failed in the last hour. The app is not affected, but what is shown there has "
        "gaps. Look whether the backend answers and whether its credentials are still good."
    ),
)

#: Every default alert, in the order in which they are rendered.
DEFAULT_ALERTS: tuple[AlertDefinition, ...] = (
    HIGH_ERROR_RATE,
    HIGH_LATENCY,
    DATA_DRIFT_DETECTED,
    MODEL_DRIFT,
    INPUT_DRIFT,
    MODEL_TELEMETRY_MISSING,
    TELEMETRY_TARGET_DOWN,
    TIDEGAUGE_FAULTS,
    TIDEGAUGE_EXPORT_FAILING,
)

FLEET_DRIFT = AlertDefinition(
    name="FleetDrift",
    metric=metrics.MODEL_FEATURE_BIN,
    measure=StabilityIndex(
        by=(*_MODEL, a.REFERENCE, a.FEATURE),
        bins=a.BIN,
        outside=("missing", "other"),
        reference=metrics.DRIFT_REFERENCE_BIN_RATIO,
        floor=_PSI_FLOOR,
        windows_s=(_HOUR, _DAY),
    ),
    comparison=Comparison.ABOVE,
    threshold=_PSI_SIGNIFICANT,
    guard=EffectiveGuard(metrics.DRIFT_DESIGN_EFFECT, _MIN_ROWS),
    for_s=5 * _MINUTE,
    severity=Severity.WARNING,
    summary=(
        "{feature} of {model} has moved away from the reference on all replicas together "
        "(PSI {value:number})"
    ),
    description=(
        "Over the last {window} the rows of all replicas of {model} have a population stability "
        "index of {feature} above {threshold:number} against reference {reference}. {see} by "
        "replica tells whether one of them differs or all do; then look for a change upstream: a "
        "unit, a default, a new source."
    ),
    see=(metrics.MODEL_FEATURE_BIN,),
)

#: The alerts on all replicas of a model together; their metrics need ``TIDEGAUGE_DRIFT_FLEET``.
FLEET_ALERTS: tuple[AlertDefinition, ...] = (FLEET_DRIFT,)
