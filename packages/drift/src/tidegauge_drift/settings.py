"""The settings of drift."""

from __future__ import annotations

from dataclasses import dataclass

from tidegauge.features import FeatureSettings, listed
from tidegauge.settings import SettingError, setting

from tidegauge_drift.streams import BINARY, DETECTORS
from tidegauge_drift.wanted import Wanted
from tidegauge_drift.warmup_spec import WarmupSpec
from tidegauge_drift.week import WEEK_S
from tidegauge_drift.window import WindowSpec

PSI, KS, DETECTED = "psi", "ks.statistic", "detected"
KL, JS, WASSERSTEIN = "kl.divergence", "js.distance", "wasserstein.distance"
DATA_QUALITY = "data_quality"
_EXPORTED = (PSI, KS, DETECTED, KL, JS, WASSERSTEIN, DATA_QUALITY)
REFERENCE, PREVIOUS_WEEK = "reference", "previous_week"
PAGING, CLASSIC = "paging", "classic"
_MAXIMUM_WINDOWS = 4


def _reference(text: str) -> str:
    WarmupSpec.parse(text)
    return text


def _windows(text: str) -> tuple[WindowSpec, ...]:
    specs = tuple(WindowSpec.parse(label) for label in listed(text))
    if not 0 < len(specs) <= _MAXIMUM_WINDOWS or len(set(specs)) < len(specs):
        raise ValueError(text)
    return specs


def _export(text: str) -> tuple[str, ...]:
    names = listed(text)
    if not names or not set(names) <= set(_EXPORTED):
        raise ValueError(text)
    return names


def _streams(text: str) -> tuple[tuple[str, str], ...]:
    found = []
    for part in listed(text):
        detector, _, glob = part.partition(":")
        if detector not in DETECTORS or detector in BINARY or not glob:
            raise ValueError(text)
        found.append((detector, glob))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class DriftSettings(FeatureSettings):
    """What drift compares, over which windows, and what it exports."""

    reference: str = setting(
        "TIDEGAUGE_REFERENCE",
        "",
        "Reference profile: a file, or a folder of <model>.reference.json; or warmup, to learn one "
        "from the first 5,000 live rows and 24 hours of each model: "
        "warmup:<rows>,<duration>[,shared]. Without it no drift.",
        parse=_reference,
        expected="a file, a folder, or warmup:<rows>,<duration>[,shared] with 1000 to 1000000 rows "
        "and 1m to 30d",
    )
    warmup_bytes: int = setting(
        "TIDEGAUGE_WARMUP_BYTES",
        67_108_864,
        "Memory of one process for the rows that references are learnt from, for all models.",
        minimum=1_048_576,
        maximum=17_179_869_184,
    )
    windows: tuple[WindowSpec, ...] = setting(
        "TIDEGAUGE_DRIFT_WINDOWS",
        (WindowSpec("1000rows", rows=1000), WindowSpec("1d", seconds=86_400)),
        "Windows that get a verdict; the first one's features are exported.",
        parse=_windows,
        expected="1 to 4 of <n>rows (n >= 30) or <n>s, m, h, d (up to 30d), with commas between",
    )
    baseline: str = setting(
        "TIDEGAUGE_DRIFT_BASELINE",
        REFERENCE,
        "What windows are compared with: the reference's rows, or those that the model itself had "
        "at the same hours of the week before, counted on the reference's cells.",
        choices=(REFERENCE, PREVIOUS_WEEK),
    )
    mode: str = setting(
        "TIDEGAUGE_DRIFT_MODE",
        PAGING,
        "How windows are judged: by tests with a budget of false alarms, or by the textbook's "
        "rules as they stand (PSI >= 0.2 on ten bins of equal width, KS p < 0.05, KL > 0.1), which "
        "alarm on clean data.",
        choices=(PAGING, CLASSIC),
    )
    correlation: bool = setting(
        "TIDEGAUGE_DRIFT_CORRELATION",
        False,
        "Whether a change of the correlations between the first 50 numeric features is looked for "
        "too. Needs a reference that was built with --correlation.",
    )
    pane_s: int = setting(
        "TIDEGAUGE_DRIFT_PANE_S",
        10,
        "Seconds of a pane, the smallest step of all windows.",
        minimum=1,
        maximum=3600,
    )
    export: tuple[str, ...] = setting(
        "TIDEGAUGE_DRIFT_EXPORT",
        (PSI, KS, DETECTED),
        "Values exported for each feature; psi brings the effective rows that its rule needs, "
        f"{WASSERSTEIN} makes each process add up values too, {DATA_QUALITY} are the shares of "
        "missing, out-of-range, new and ill-typed values.",
        parse=_export,
        expected=f"one or more of {', '.join(_EXPORTED)}, with commas between",
    )
    operation: str = setting(
        "TIDEGAUGE_DRIFT_OPERATION",
        "",
        "The operation whose rows are compared; by default the highest of predict_proba, predict, "
        "decision_function that was called so far.",
    )
    max_series: int = setting(
        "TIDEGAUGE_DRIFT_MAX_SERIES",
        600,
        "Drift series of a model; above it the features with the largest effect are exported.",
        minimum=50,
        maximum=100_000,
    )
    fleet: bool = setting(
        "TIDEGAUGE_DRIFT_FLEET",
        False,
        "Whether each bin's rows are counted too, so that Prometheus can add up all replicas.",
    )
    fleet_features: tuple[str, ...] = setting(
        "TIDEGAUGE_DRIFT_FLEET_FEATURES",
        (),
        "Features and outputs whose bins are counted (globs, with commas between); all by default.",
        parse=listed,
        expected="globs with commas between",
    )
    streams: tuple[tuple[str, str], ...] = setting(
        "TIDEGAUGE_DRIFT_STREAMS",
        (),
        "Streaming detectors on features and outputs, none by default: adwin:amount,adwin:score_*. "
        "kswin is not for alerting. Needs the extra tidegauge-drift[streams].",
        parse=_streams,
        expected="<detector>:<glob> with commas between, the detector adwin, page_hinkley or kswin "
        "(ddm and eddm take errors, not features)",
    )
    segments: bool = setting(
        "TIDEGAUGE_DRIFT_SEGMENTS",
        True,
        "Whether the segments that a reference was built with (--segment) are compared by "
        "themselves; not in classic mode or with the week before as the baseline.",
    )

    @property
    def wanted(self) -> Wanted:
        """What is counted and computed beside the default values."""
        kl, js, wasserstein = (name in self.export for name in (KL, JS, WASSERSTEIN))
        classic = self.mode == CLASSIC
        segments = self.segments and not classic and self.baseline == REFERENCE
        return Wanted(kl, js, wasserstein, classic, self.correlation, segments)

    @property
    def warmup(self) -> WarmupSpec | None:
        """What a reference is learnt from; None where one is given."""
        return WarmupSpec.parse(self.reference)

    def __post_init__(self) -> None:
        """Refuse windows shorter than a pane, or longer than what they are compared with."""
        if self.fleet and self.warmup is not None and not self.warmup.shared:
            raise SettingError(
                f"TIDEGAUGE_REFERENCE: got {self.reference!r} from the settings; expected one that "
                "all replicas have, as TIDEGAUGE_DRIFT_FLEET is true. Name a file, or, if all "
                "replicas have the same TIDEGAUGE_STATE_DIR, add ',shared' "
                f"(warmup:{self.warmup.rows},{self.warmup.seconds}s,shared)."
            )
        long = [spec.label for spec in self.windows if spec.seconds > WEEK_S]
        if self.baseline == PREVIOUS_WEEK and long:
            raise SettingError(
                f"TIDEGAUGE_DRIFT_WINDOWS: got {long[0]!r} from the settings; expected 7d at most "
                "with TIDEGAUGE_DRIFT_BASELINE=previous_week. Make the window shorter."
            )
        if self.baseline == PREVIOUS_WEEK and self.mode == CLASSIC:
            raise SettingError(
                "TIDEGAUGE_DRIFT_MODE: got 'classic' from the settings; expected 'paging' with "
                "TIDEGAUGE_DRIFT_BASELINE=previous_week. Unset one of the two."
            )
        others = {
            "TIDEGAUGE_DRIFT_MODE=classic": self.mode == CLASSIC,
            "TIDEGAUGE_DRIFT_BASELINE=previous_week": self.baseline == PREVIOUS_WEEK,
            "TIDEGAUGE_REFERENCE=warmup": self.warmup is not None,
        }
        against = [name for name, on in others.items() if on]
        if self.correlation and against:
            raise SettingError(
                "TIDEGAUGE_DRIFT_CORRELATION: got True from the settings; expected false with "
                f"{against[0]}. Unset one of the two."
            )
        short = [spec.label for spec in self.windows if 0 < spec.seconds < self.pane_s]
        if short:
            raise SettingError(
                f"TIDEGAUGE_DRIFT_WINDOWS: got {short[0]!r} from the settings; expected at least "
                f"the {self.pane_s} s of TIDEGAUGE_DRIFT_PANE_S. Make the window longer."
            )
