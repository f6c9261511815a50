"""Three replicas, two databases, one PSI: equal to numpy on the rows of all replicas together."""

from __future__ import annotations

import dataclasses
import http.client
import json
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pandas as pd
import pytest
import yaml
from tidegauge_alerting import alert_file, render_prometheus
from tidegauge_alerting.measures import StabilityIndex
from tidegauge_drift import ReferenceProfile, load
from tidegauge_drift.profile import NumericFeature
from tidegauge_exporter_prometheus import prometheus_name
from tidegauge_semconv import metrics
from tidegauge_testkit.backends import (
    Alertmanager,
    Prometheus,
    PromqlServer,
    ServedApp,
    VictoriaMetrics,
    Vmalert,
    Webhook,
    free_ports,
    wait_until,
)

pytestmark = pytest.mark.backends

BIN = prometheus_name(metrics.MODEL_FEATURE_BIN)
ROWS = prometheus_name(metrics.TIDEGAUGE_ROWS)

# A window in which a part of the story fits. The time for which an alert must hold stands for five
# minutes: the first rows of one replica are scraped some seconds before those of another.
WINDOW, WINDOW_S, FOR_S = "2m", 120, 6
(FLEET,) = (each for each in alert_file.load().off if isinstance(each.measure, StabilityIndex))
assert isinstance(FLEET.measure, StabilityIndex)
RULES = render_prometheus(
    [dataclasses.replace(FLEET, measure=FLEET.measure.over((WINDOW_S,)), for_s=FOR_S)]
)
REPLICAS = ("one", "two", "three")
TICK_S = 0.5
ROWS_A_TICK = 360
CLEAN_TICKS = 8
SHIFT_TICKS = 16
SHIFTED = "age"
# Where the ages of the replicas part, and how much of the traffic each gets otherwise.
AGES = (38.0, 50.0)
WEIGHTS = (0.2, 0.3, 0.5)
EXACT = 1e-9
# The window's edges: a scrape interval, and the seconds between a prediction and its count.
NEAR, NEAR_SHARE = 0.01, 0.1
SETTLE_S = 30
# VictoriaMetrics shows a new series within 10 s, and the index is the fourth record in a row.
RECORDED_S = 60
STOP_S = 15


@dataclass
class Replica:
    """A process that serves the model, and the rows that it has answered."""

    name: str
    app: ServedApp
    reference: str
    rows: list[tuple[float, pd.DataFrame]] = field(default_factory=list)

    def score(self, frame: pd.DataFrame) -> None:
        """Send rows in one request and keep them with their scores."""
        connection = http.client.HTTPConnection("127.0.0.1", self.app.port, timeout=30)
        try:
            body = json.dumps({"rows": frame.to_dict("records")})
            connection.request("POST", "/score", body, {"Content-Type": "application/json"})
            with connection.getresponse() as answer:
                scores = json.loads(answer.read())
            assert answer.status == http.HTTPStatus.OK, scores
        finally:
            connection.close()
        self.rows.append((time.time(), frame.assign(prediction=scores)))

    @property
    def sent(self) -> int:
        """Rows that were answered."""
        return sum(len(frame) for _, frame in self.rows)


class Fleet:
    """Replicas behind a balancer, which sends the rows of an ended one to another."""

    def __init__(self, shop: Any, folder: Path) -> None:
        self._shop = shop
        self._folder = folder
        self._seed = 100
        self._starts = 0
        self.ports = dict(zip(REPLICAS, free_ports(len(REPLICAS)), strict=True))
        self.targets = {name: f"127.0.0.1:{port}" for name, port in self.ports.items()}
        self.live: dict[str, Replica] = {}
        self.ended: list[Replica] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        for replica in self.live.values():
            replica.app.__exit__(kind, error, tb)

    def start(self, names: Sequence[str], reference: str, **workers: int) -> None:
        """Start replicas side by side; the workers of one count together, and are one target."""
        apps = {}
        for name in names:
            self._starts += 1
            apps[name] = self._shop.serve(
                self._folder / f"{name}-{self._starts}",
                {
                    "OTEL_METRICS_EXPORTER": "tidegauge_prometheus",
                    "OTEL_EXPORTER_PROMETHEUS_PORT": str(self.ports[name]),
                    "TIDEGAUGE_REFERENCE": reference,
                    "TIDEGAUGE_DRIFT_FLEET": "true",
                    "TIDEGAUGE_DRIFT_PANE_S": "1",
                    # Each row is counted, however busy the machine is.
                    "TIDEGAUGE_CPU_BUDGET_PERCENT": "100",
                },
                workers=workers.get(name, 1),
            )
        with ThreadPoolExecutor(len(apps)) as pool:
            list(pool.map(ServedApp.__enter__, apps.values()))
        self.live |= {name: Replica(name, app, reference) for name, app in apps.items()}

    def end(self, *names: str, kill: bool = False) -> None:
        """End replicas together: asked to, or at once."""
        ending = [self.live.pop(name) for name in names]
        for replica in ending:
            replica.app.signal(signal.SIGKILL if kill else signal.SIGTERM)
        for replica in ending:
            replica.app.wait_exit(STOP_S)
            replica.app.stop()
        self.ended += ending

    def serve(self, ticks: int, *, by_age: bool = False, shift: float = 0.0) -> None:
        """Send rows at a steady pace: a part of the ages to each replica, or more to some."""
        started = time.monotonic()
        pause = threading.Event()
        for tick in range(ticks):
            self._seed += 1
            frame = self._shop.rows(ROWS_A_TICK, self._seed)
            random = np.random.default_rng(self._seed)
            place = random.choice(len(REPLICAS), len(frame), p=WEIGHTS)
            if by_age:
                place = np.searchsorted(AGES, frame[SHIFTED])
            frame[SHIFTED] += shift
            for number, name in enumerate(REPLICAS):
                part = frame[place == number]
                chosen = self.live.get(name) or next(iter(self.live.values()))
                if len(part):
                    chosen.score(part)
            pause.wait(max(0.0, started + (tick + 1) * TICK_S - time.monotonic()))

    def pooled(self, reference: str, since_s: float = 0.0, *, ended: bool = False) -> pd.DataFrame:
        """Return the rows of the replicas that have this reference, since a time."""
        replicas = [*self.live.values(), *(self.ended if ended else ())]
        frames = [
            frame
            for replica in replicas
            if replica.reference == reference
            for at_s, frame in replica.rows
            if at_s >= since_s
        ]
        return pd.concat(frames) if frames else pd.DataFrame()


class Reference:
    """A reference file, and numpy's PSI of rows against the rows that it was made of."""

    def __init__(self, file: Path, table: Path, held_out: Path) -> None:
        self.profile: ReferenceProfile = load(file)
        self.file = file.name
        shown = json.loads(file.read_text())
        self.name = shown["checksum"][:8]
        inputs, outputs = pd.read_csv(table), pd.read_csv(held_out)
        self._expected = {
            each.name: self._shares(each.name, frame)
            for features, frame in (
                (self.profile.features, inputs),
                (self.profile.outputs, outputs),
            )
            for each in features
        }

    @property
    def features(self) -> list[str]:
        """Inputs and outputs."""
        return [feature.name for feature in (*self.profile.features, *self.profile.outputs)]

    def _shares(self, name: str, frame: pd.DataFrame) -> Any:
        features = (*self.profile.features, *self.profile.outputs)
        (feature,) = (each for each in features if each.name == name)
        assert isinstance(feature, NumericFeature)
        values = frame[name].to_numpy(float)
        cells = np.searchsorted(feature.edges.values, values, "right")
        cells = np.where(values < feature.minimum, -1, cells)
        cells = np.where(values > feature.maximum, feature.cells, cells)
        counts = np.bincount(feature.bins[cells + 2], minlength=int(feature.bins.max()) + 1)
        return np.maximum(counts / counts.sum(), 1e-4)

    def psi(self, frame: pd.DataFrame) -> dict[str, float]:
        """Return the PSI of each feature, with numpy alone."""
        found = {}
        for name in self.features:
            p, q = self._expected[name], self._shares(name, frame)
            found[name] = float(((q - p) * np.log(q / p)).sum())
        return found


def counter_form() -> str:
    """Return the rules' own expression of the index, on all rows since the start."""
    records: dict[str, str] = {
        rule["record"]: rule["expr"]
        for rule in yaml.safe_load(RULES)["groups"][0]["rules"]
        if "record" in rule
    }
    bins = records["tidegauge:fleet_bin:increase"]
    counted = bins.replace(f"increase({BIN}", BIN).replace(f"[{WINDOW}])", "")
    assert counted != bins
    expression = records["tidegauge:fleet:psi"]
    for record, text in (
        ("tidegauge:fleet_bin:share", records["tidegauge:fleet_bin:share"]),
        ("tidegauge:fleet_rows:effective", records["tidegauge:fleet_rows:effective"]),
        ("tidegauge:fleet_bin:increase", counted),
    ):
        expression = expression.replace(f'{record}{{window="{WINDOW}"}}', f"({text})")
    assert "tidegauge:" not in expression
    return expression


COUNTER_FORM = counter_form()
WINDOWED = f'tidegauge:fleet:psi{{window="{WINDOW}"}}'


def by_feature(server: PromqlServer, expression: str, reference: Reference) -> dict[str, float]:
    """Return an index by feature against one reference."""
    return {
        sample.labels["feature"]: sample.value
        for sample in server.query(expression)
        if sample.labels["reference"] == reference.name
    }


def settle(server: PromqlServer, fleet: Fleet) -> None:
    """Wait until a server has seen every row that the living replicas have answered."""
    for replica in fleet.live.values():
        if not replica.sent:
            continue
        text = f'sum by (feature) ({BIN}{{job="{replica.name}"}})'

        def all_counted(text: str = text, sent: int = replica.sent) -> bool:
            return {sample.value for sample in server.query(text)} == {sent}

        wait_until(all_counted, f"{server.name}: {text} is {replica.sent}", SETTLE_S)


@contextmanager
def phase(title: str) -> Iterator[None]:
    """Print how long a part of the story took."""
    started = time.monotonic()
    print(f"\n{title}")
    yield
    print(f"  {time.monotonic() - started:.0f} s")


def compare(servers: Sequence[PromqlServer], fleet: Fleet, reference: Reference) -> None:
    """Fail where a server's index is not numpy's; print all."""
    exact = reference.psi(fleet.pooled(reference.file))
    found = {"numpy": exact}
    for server in servers:
        settle(server, fleet)
        counted = by_feature(server, COUNTER_FORM, reference)
        found[server.name] = counted
        assert set(counted) == set(exact), server.name
        worst = max(abs(counted[name] - value) for name, value in exact.items())
        assert worst <= EXACT, (server.name, counted, exact)
    show(f"{len(fleet.pooled(reference.file))} rows since the start", reference, found, 12)


def compare_window(servers: Sequence[PromqlServer], fleet: Fleet, reference: Reference) -> None:
    """Fail where the index that the rules have recorded is not near numpy's; print all."""
    for server in servers:
        found: dict[str, dict[str, float]] = {}

        def is_near(server: PromqlServer = server, found: Any = found) -> bool:
            recent = fleet.pooled(reference.file, time.time() - WINDOW_S, ended=True)
            found["numpy"] = reference.psi(recent)
            found[server.name] = by_feature(server, WINDOWED, reference)
            return all(
                abs(found[server.name].get(name, 9) - value) <= max(NEAR, NEAR_SHARE * value)
                for name, value in found["numpy"].items()
            )

        try:
            wait_until(is_near, f"{server.name}: {WINDOWED} is near numpy's", RECORDED_S, 0.5)
        finally:
            show(f"rows of {WINDOW}", reference, found, 4)


def show(title: str, reference: Reference, found: Mapping[str, dict[str, float]], n: int) -> None:
    """Print the index of each feature, numpy's first."""
    print(f"  reference {reference.name}, {title}")
    print(f"  {'':12}" + "".join(f"{name:>20}" for name in found))
    for feature in reference.features:
        values = (each.get(feature, float("nan")) for each in found.values())
        print(f"  {feature:12}" + "".join(f"{value:20.{n}f}" for value in values))


def fired(server: PromqlServer) -> list[str]:
    """Return the features that have alerted since the start."""
    found = server.query('max_over_time(ALERTS{alertname="FleetDrift",alertstate="firing"}[10m])')
    return sorted({sample.labels["feature"] for sample in found})


@dataclass(frozen=True)
class Backends:
    """What watches the replicas."""

    webhook: Webhook
    prometheus: Prometheus
    storage: VictoriaMetrics

    @property
    def servers(self) -> tuple[PromqlServer, ...]:
        """Whoever answers queries."""
        return self.prometheus, self.storage


@contextmanager
def watched(folder: Path, targets: Mapping[str, str]) -> Iterator[Backends]:
    """Start both databases with the rules, and where their alerts go."""
    with (
        Webhook() as webhook,
        Alertmanager(folder / "alertmanager", webhook.url) as alertmanager,
        Prometheus(
            folder / "prometheus", targets, rules=RULES,
            alertmanager=alertmanager.address, interval_s=1,
        ) as prometheus,
        VictoriaMetrics(folder / "vm", targets, interval_s=1) as storage,
        Vmalert(folder / "vmalert", RULES, storage, alertmanager.address),
    ):  # fmt: skip
        yield Backends(webhook, prometheus, storage)


def serve_unlike_rows(servers: Sequence[PromqlServer], fleet: Fleet, first: Reference) -> None:
    """Give each replica another part of clean rows: each drifts, and together they do not."""
    # increase() begins with the first value that is scraped: what came before is not in a window.
    fleet.serve(1, by_age=True)
    for server in servers:
        settle(server, fleet)
    fleet.serve(CLEAN_TICKS, by_age=True)
    compare(servers, fleet, first)
    compare_window(servers, fleet, first)
    for replica in fleet.live.values():
        alone = first.psi(pd.concat([frame for _, frame in replica.rows]))
        print(f"  replica {replica.name} alone: PSI of {SHIFTED} {alone[SHIFTED]:.2f}")
        assert alone[SHIFTED] > FLEET.threshold


def restart(servers: Sequence[PromqlServer], fleet: Fleet, first: Reference) -> None:
    """Kill a replica, and start it again: its counts begin at 0."""
    fleet.end("one", kill=True)
    fleet.serve(4, by_age=True)
    fleet.start(["one"], first.file)
    fleet.serve(CLEAN_TICKS)
    compare(servers, fleet, first)
    compare_window(servers, fleet, first)


def roll_out(
    servers: Sequence[PromqlServer], fleet: Fleet, first: Reference, second: Reference
) -> None:
    """Replace the reference on one replica, then on all: each has its own index meanwhile."""
    fleet.end("three")
    fleet.start(["three"], second.file)
    fleet.serve(CLEAN_TICKS)
    for reference in (first, second):
        compare(servers, fleet, reference)
    compare_window(servers, fleet, first)
    fleet.end("one", "two")
    fleet.start(["one", "two"], second.file)
    fleet.serve(CLEAN_TICKS)
    compare(servers, fleet, second)
    compare_window(servers, fleet, second)


def shift(servers: Sequence[PromqlServer], fleet: Fleet, second: Reference, by: float) -> None:
    """Move one feature on all replicas: both databases alert on it."""
    fleet.serve(SHIFT_TICKS, shift=by)
    compare(servers, fleet, second)
    compare_window(servers, fleet, second)
    for server in servers:

        def alerts(server: PromqlServer = server) -> bool:
            return fired(server) == [SHIFTED]

        wait_until(alerts, f"{server.name} alerts", 15 + FOR_S)


def test_three_replicas_are_one(workshop: Any, tmp_path: Path) -> None:
    """Replicas whose traffic differs have one PSI in Prometheus and VictoriaMetrics: numpy's.

    A restart and a new reference, rolled out replica by replica, alert nobody; a shift does.
    """
    folder = workshop.folder
    workshop.rows(10_000, seed=11).to_csv(folder / "later.csv", index=False)
    workshop.reference("later.csv", "later.reference.json")
    held_out = folder / "held_out.csv"
    first = Reference(folder / "score.reference.json", folder / "train.csv", held_out)
    second = Reference(folder / "later.reference.json", folder / "later.csv", held_out)
    assert first.name != second.name
    with Fleet(workshop, tmp_path) as fleet, watched(tmp_path, fleet.targets) as backends:
        servers = backends.servers
        with phase("three replicas start"):
            fleet.start(REPLICAS, first.file, two=2)
        with phase("clean rows, another part of them on each replica"):
            serve_unlike_rows(servers, fleet, first)
        with phase("a replica is killed and starts again"):
            restart(servers, fleet, first)
        with phase("a new reference, replica by replica"):
            roll_out(servers, fleet, first, second)

        for server in servers:
            assert fired(server) == [], server.name
        assert backends.webhook.received() == []
        assert backends.prometheus.unhealthy_rules() == []
        assert backends.prometheus.value(f'sum({ROWS}{{state="dropped"}})') == 0

        with phase("a shift on all replicas"):
            sd = float(workshop.rows(10_000, seed=1)[SHIFTED].std())
            shift(servers, fleet, second, by=2 * sd)
        print(f"  {backends.webhook.wait_for('FleetDrift', 15).annotations['summary']}")
