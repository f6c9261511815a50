"""The watcher against real targets and receivers, through restarts and with an injected clock."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tidegauge_alerting import AlertDefinition, load
from tidegauge_alerting.channels import Channel
from tidegauge_alerting.watch import history as histories
from tidegauge_alerting.watch import judge
from tidegauge_alerting.watch.alerts import Change
from tidegauge_alerting.watch.history import History
from tidegauge_alerting.watch.notice import Notice
from tidegauge_alerting.watch.outbox import Outbox
from tidegauge_alerting.watch.scrape import Reader, ScrapeError, target
from tidegauge_alerting.watch.senders import sender
from tidegauge_alerting.watch.state_file import StateError, StateFiles
from tidegauge_alerting.watch.watcher import Watcher
from tidegauge_testkit.alert_receivers import AlertReceiver
from tidegauge_testkit.backends import free_port, wait_until
from tidegauge_testkit.backends.loopback_server import LoopbackServer, Reply, Request

LIMIT_S = 60.0
STEP_S = 15.0
DEFAULT_ALERTS = load().alerts
START_S = 1_700_000_000.0
DRIFT = (
    'drift_detected{model_name="fraud",model_version="3",reference="0a1b",feature="",'
    'window="1d",family="outputs"} '
)
REQUESTS = 'model_requests_total{model_name="fraud",model_version="3",operation="predict",status='


class Service(LoopbackServer):
    """A target that shows what it is told to."""

    def __init__(self) -> None:
        self.text = ""
        self.reply: Reply | None = None
        self.asked = 0
        super().__init__(self._answer)

    def _answer(self, _: Request) -> Reply:
        self.asked += 1
        return self.reply or Reply(200, body=self.text.encode())

    def drifts(self, value: int) -> None:
        """Let the outputs of the model drift or not."""
        self.text = f"{DRIFT}{value}\n"


class Run:
    """One life of a watcher, from its start to its end or its death."""

    def __init__(self, folder: Path, service: Service, receiver: AlertReceiver) -> None:
        self.files = StateFiles(folder).__enter__()
        self.changes: list[tuple[str, bool]] = []
        outboxes: dict[str, Outbox] = {}
        self.watcher = Watcher(
            DEFAULT_ALERTS,
            [target(service.url)],
            outboxes,
            lambda _: ("hook",),
            timeout_s=5.0,
            files=self.files,
            say=self.say,
        )
        channel = Channel("hook", "webhook", address=receiver.url)
        self.outbox = Outbox("hook", sender(channel), self.watcher.save, first_wait_s=0.01)
        outboxes["hook"] = self.outbox

    def say(self, what: Change | Notice) -> None:
        """Keep what the terminal would show."""
        if isinstance(what, Change):
            self.changes.append((what.alert.name, what.fires))

    def start(self, at_s: float) -> None:
        """Take up what an earlier life has left."""
        self.watcher.restore(at_s)
        self.outbox.start()

    def die(self) -> None:
        """Leave everything as it is, as SIGKILL does."""
        self.outbox._closing = True
        with self.outbox._condition:
            self.outbox._condition.notify_all()
        self.outbox._thread.join(LIMIT_S)
        self.files.__exit__()

    def end(self, at_s: float) -> None:
        """End as SIGTERM makes it end."""
        self.watcher.close(at_s, LIMIT_S)
        self.files.__exit__()


Live = Callable[[float], Run]


@pytest.fixture
def service() -> Iterator[Service]:
    """Serve a target."""
    with Service() as served:
        yield served


@pytest.fixture
def receiver() -> Iterator[AlertReceiver]:
    """Serve a webhook."""
    with AlertReceiver("webhook") as served:
        yield served


@pytest.fixture
def live(tmp_path: Path, service: Service, receiver: AlertReceiver) -> Iterator[Live]:
    """Start lives of a watcher, one after the other, with one state."""
    lives: list[Run] = []

    def start(at_s: float) -> Run:
        lives.append(Run(tmp_path / "state", service, receiver))
        lives[-1].start(at_s)
        return lives[-1]

    yield start
    lives[-1].end(START_S)


def told(receiver: AlertReceiver) -> list[tuple[str, str]]:
    """Return what was taken: status and name of each notice."""
    return [(body["status"], body["groupLabels"]["alertname"]) for body in receiver.taken()]


def test_begin_and_end_are_told(live: Live, service: Service, receiver: AlertReceiver) -> None:
    """What begins to drift is told at once, once, and told again when it is over."""
    run = live(START_S)
    for i in range(60):
        service.drifts(int(10 <= i < 40))
        run.watcher.round(START_S + i * STEP_S)
    assert run.outbox.wait_empty(LIMIT_S)
    assert [("firing", "ModelDrift"), ("resolved", "ModelDrift")] == told(receiver)
    assert [("ModelDrift", True), ("ModelDrift", False)] == run.changes
    assert [] == receiver.faults


def test_what_a_page_says_is_not_said_twice(
    live: Live, service: Service, receiver: AlertReceiver
) -> None:
    """While a model's outputs drift its inputs say nothing, those of another model do."""
    run = live(START_S)
    outputs = DRIFT + "1\n"
    inputs = outputs.replace("outputs", "inputs")
    service.text = outputs + inputs + inputs.replace("fraud", "churn")
    run.watcher.round(START_S)
    service.text = inputs
    for i in range(1, 25):
        run.watcher.round(START_S + i * STEP_S)
    assert run.outbox.wait_empty(LIMIT_S)
    found = [
        (*each, b["groupLabels"]["model_name"])
        for each, b in zip(told(receiver), receiver.taken(), strict=True)
    ]
    assert [
        ("firing", "ModelDrift", "fraud"), ("firing", "InputDrift", "churn"),
        ("firing", "InputDrift", "fraud"),
        ("resolved", "InputDrift", "churn"), ("resolved", "ModelDrift", "fraud"),
    ] == [*found[:3], *sorted(found[3:])]  # fmt: skip


@pytest.mark.parametrize("end", ["end", "die"])
def test_a_restart_repeats_nothing_and_loses_no_end(
    end: str, live: Live, service: Service, receiver: AlertReceiver
) -> None:
    """Whether it was ended or killed: the next one knows what was said."""
    service.drifts(1)
    first = live(START_S)
    first.watcher.round(START_S)
    assert first.outbox.wait_empty(LIMIT_S)
    wait_until(lambda: not first.outbox._waiting, "the state without the notice", LIMIT_S)
    first.watcher.save()
    first.end(START_S) if end == "end" else first.die()
    second = live(START_S + 60)
    for i in range(20):
        second.watcher.round(START_S + 60 + i * STEP_S)
    service.drifts(0)
    second.watcher.round(START_S + 600)
    assert second.outbox.wait_empty(LIMIT_S)
    assert [("firing", "ModelDrift"), ("resolved", "ModelDrift")] == told(receiver)
    assert [("ModelDrift", False)] == second.changes


def test_what_could_not_be_sent_is_sent_after_a_restart(
    live: Live, service: Service, receiver: AlertReceiver
) -> None:
    """A notice that waits is in the state before it is tried."""
    receiver.replies += [Reply(hangs=True)]
    service.drifts(1)
    first = live(START_S)
    first.outbox._send = lambda _: (_ for _ in ()).throw(OSError())
    first.watcher.round(START_S)
    first.die()
    receiver.replies.clear()
    second = live(START_S + 60)
    receiver.wait_for(1)
    assert second.outbox.wait_empty(LIMIT_S)
    second.watcher.round(START_S + 60)
    assert second.outbox.wait_empty(LIMIT_S)
    assert [("firing", "ModelDrift")] == told(receiver)


@pytest.mark.parametrize("samples_kept", [True, False])
def test_a_restart_does_not_end_what_it_cannot_see_yet(
    samples_kept: bool, live: Live, service: Service, receiver: AlertReceiver, tmp_path: Path
) -> None:
    """An alert over a window goes on until the window is full again, and ends then."""
    run = live(START_S)
    i, at_s = 0, START_S
    ok = bad = 0

    def rounds(count: int, failing: int) -> None:
        nonlocal i, at_s, ok, bad
        for _ in range(count):
            i, ok, bad = i + 1, ok + 10, bad + failing
            at_s = START_S + i * STEP_S
            service.text = f'{REQUESTS}"success"}} {ok}\n{REQUESTS}"error"}} {bad}\n'
            run.watcher.round(at_s)

    rounds(60, failing=10)
    rounds(15, failing=0)
    assert run.outbox.wait_empty(LIMIT_S)
    assert [("HighErrorRate", True)] == run.changes
    run.end(at_s)
    if not samples_kept:
        (tmp_path / "state" / "alerts-watch.history").unlink()
    run = live(at_s)
    rounds(8, failing=0)
    assert [("HighErrorRate", False)] * samples_kept == run.changes
    rounds(14, failing=0)
    assert [("HighErrorRate", False)] == run.changes
    assert run.outbox.wait_empty(LIMIT_S)
    assert [("firing", "HighErrorRate"), ("resolved", "HighErrorRate")] == told(receiver)


def test_a_target_that_is_down_is_told(
    live: Live, service: Service, receiver: AlertReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says at once that nothing is read, an alert says it after five minutes."""
    run = live(START_S)
    service.text = f'{REQUESTS}"success"}} 1\n'
    run.watcher.round(START_S)
    service.reply = Reply(500)
    for i in range(1, 30):
        run.watcher.round(START_S + i * STEP_S)
    service.reply = None
    for i in range(30, 60):
        run.watcher.round(START_S + i * STEP_S)
    assert run.outbox.wait_empty(LIMIT_S)
    name = "TelemetryTargetDown"
    assert [("firing", name), ("resolved", name)] == told(receiver)
    (body, _) = receiver.taken()
    place = f"127.0.0.1:{service.port}"
    assert body["commonAnnotations"]["summary"] == (
        f"tidegauge at {place} serves models and cannot be scraped"
    )
    assert [
        f"http://{place}/metrics: got status 500; expected the metrics of a service. Its models "
        "are not judged until it answers. Look whether it runs, and whether the address is right.",
        f"http://{place}/metrics: answers again.",
    ] == [each.getMessage() for each in caplog.records if each.name == "tidegauge.watch"]


def test_a_target_that_hangs_stops_no_other(service: Service) -> None:
    """It is left behind, not asked a second time while it hangs, and the others are judged."""
    service.drifts(1)
    changes: list[Change | Notice] = []
    with Service() as hanging:
        hanging.reply = Reply(hangs=True)
        watcher = Watcher(
            DEFAULT_ALERTS, [target(hanging.url), target(service.url)], {}, lambda _: (),
            timeout_s=LIMIT_S, files=None, say=changes.append,
        )  # fmt: skip
        watcher.scraper.patience_s = 1.0
        for i in range(2):
            watcher.round(START_S + i * STEP_S)
        assert (2, 1) == (service.asked, hanging.asked)
        assert {target(hanging.url): "no answer in time"} == watcher.scraper.failing
    wait_until(lambda: not scraping(), "the end of the scrape that hung", LIMIT_S)
    assert isinstance(changes[0], Change)
    assert "ModelDrift" == changes[0].alert.name


def scraping() -> list[threading.Thread]:
    """Return the threads that read a target."""
    return [each for each in threading.enumerate() if each.name.startswith("scrape ")]


def test_one_alert_that_cannot_be_judged_stops_no_other(
    live: Live, service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault of ours in one definition is said once; the others are judged."""
    real = judge.judge

    def faulty(definition: AlertDefinition, *rest: object) -> object:
        if definition.name == "HighLatency":
            raise ZeroDivisionError
        return real(definition, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(judge, "judge", faulty)
    service.drifts(1)
    run = live(START_S)
    for i in range(3):
        run.watcher.round(START_S + i * STEP_S)
    assert [("ModelDrift", True)] == run.changes
    (line,) = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert line.startswith("HighLatency: got ZeroDivisionError while it was judged;")


def test_series_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """Those beyond the bound are left out with one warning; those that go make room."""
    history = History({"model_requests_total": 300.0}, most=10)
    place = target("http://127.0.0.1:1")
    for i, models in enumerate("ABBB"):
        at_s = i * 1000.0
        text = "".join(f'model_requests_total{{model_name="{models}{j}"}} 1\n' for j in range(20))
        history.begin(at_s)
        history.add(at_s, place.labels, Reader(place, history.names).samples(text))
        history.forget(at_s)
        assert 10 >= len(list(history.tracks("model_requests_total")))
    found = history.last("model_requests_total", 3000.0)
    assert [f"B{j}" for j in range(10)] == sorted(dict(each)["model_name"] for each in found)
    assert 1 == len([each for each in caplog.records if "got more than 10" in each.getMessage()])


def test_samples_are_bounded_in_time() -> None:
    """A series that is scraped for days keeps what the longest window needs."""
    history = History({"x": 300.0})
    place = target("http://127.0.0.1:1")
    for i in range(5000):
        at_s = i * STEP_S
        history.begin(at_s)
        history.add(at_s, place.labels, Reader(place, history.names).samples(f"x {i}\n"))
        history.forget(at_s)
    (track,) = history.tracks("x")
    most = (300.0 + histories.LOOKBACK_S) / STEP_S + 40
    assert len(track.times) <= most
    assert 300 / STEP_S == pytest.approx(
        history.increases("x", 4999 * STEP_S, 300.0)[track.labels], rel=1e-9
    )


# -- scrapes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(404), "status 404"),
        (Reply(302, {"Location": "http://127.0.0.1:9/"}), "status 302"),
        (
            Reply(200, {"Content-Type": "text/html; charset=utf-8"}, b"<html>"),
            "text/html, which is not Prometheus's format",
        ),
        (Reply(200, body=b"\xff\xfe"), "something that is no text"),
        (Reply(200, body=b'up{a="b\n'), "text that is not in Prometheus's format"),
        (Reply(200, body=b"x" * 100, slow_s=3), "not all of it within 1 s"),
        (Reply(hangs=True), "no answer in time"),
    ],
)
def test_what_is_no_scrape_says_so(reply: Reply, said: str, service: Service) -> None:
    """Each way to be wrong has its words."""
    service.reply = reply
    with pytest.raises(ScrapeError) as caught:
        Reader(target(service.url), {"up"}).read(1.0)
    assert said == str(caught.value)


def test_a_scrape_is_bounded_in_size(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is larger than any service's metrics is not taken into memory."""
    monkeypatch.setattr("tidegauge_alerting.watch.scrape._MOST_BYTES", 1000)
    service.text = "x 1\n" * 1000
    with pytest.raises(ScrapeError, match="more than 1000 bytes"):
        Reader(target(service.url), {"x"}).read(LIMIT_S)


def test_nobody_listens() -> None:
    """The words are the system's."""
    with pytest.raises(ScrapeError, match="Connection refused"):
        Reader(target(f"http://127.0.0.1:{free_port()}"), {"x"}).read(LIMIT_S)


def test_labels_of_a_target_win() -> None:
    """A series cannot say that it comes from elsewhere; what it says is kept beside."""
    history = History({"x": 0.0})
    place = target("http://h:1")
    history.add(0.0, place.labels, Reader(place, {"x"}).samples('x{job="mine",e=""} 1\n'))
    (labels,) = history.last("x", 0.0)
    assert {"exported_job": "mine", "instance": "h:1", "job": "tidegauge"} == dict(labels)


def test_lines_are_read_as_prometheuss_client_reads_them() -> None:
    """When they are known as the first time; with and without a time of theirs."""
    reader = Reader(target("http://h:1"), {"x", "y"})

    def found(text: str) -> dict[tuple[str, str], float]:
        return {(s.name, dict(s.labels).get("a", "")): s.value for s in reader.samples(text)}

    for i in range(3):
        text = (
            f'# TYPE x counter\nx{{a="1 }} 2",}} {i}\nz 1\nx {{ a = "b\\"\\n" }}  +Inf\n'
            f'y{{a="t"}} {i} 17000000{i}\nxx 5\nx -1e-3\n'
        )
        assert {
            ("x", "1 } 2"): i, ("x", 'b"\n'): math.inf, ("y", "t"): i, ("x", ""): -0.001,
        } == found(text)  # fmt: skip
    assert {("x", ""): 1.0} == found("x 1\n")
    assert ["x"] == list(reader._known)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "127.0.0.1:9464", "http://", "http://a:b/"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    """Only http and https are read."""
    with pytest.raises(ValueError, match="expected an http or https address"):
        target(url)


# -- state ---------------------------------------------------------------------------------------


def test_a_state_has_one_watcher(tmp_path: Path) -> None:
    """Two would say everything twice."""
    with StateFiles(tmp_path / "state"), pytest.raises(StateError, match="another watcher uses"):
        StateFiles(tmp_path / "state").__enter__()
    with StateFiles(tmp_path / "state"):
        pass


def test_a_state_that_others_can_write_is_refused(tmp_path: Path) -> None:
    """Whoever can write there could send anything in our name."""
    tmp_path.chmod(0o777)
    with pytest.raises(StateError, match="others can write there"):
        StateFiles(tmp_path).__enter__()


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 99}', '{"version": 1, "alerts": [1]}'])
def test_a_state_that_cannot_be_read_is_kept_aside(
    text: str, live: Live, service: Service, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What fires is said again rather than never."""
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / "alerts-watch.json").write_text(text)
    (tmp_path / "state" / "alerts-watch.history").write_text(text)
    service.drifts(1)
    run = live(START_S)
    run.watcher.round(START_S)
    assert run.outbox.wait_empty(LIMIT_S)
    assert 1 == run.outbox.sent
    assert text == (tmp_path / "state" / "alerts-watch.json.unreadable").read_text()
    assert 1 == len([each for each in caplog.records if "is kept as" in each.getMessage()])


def test_a_clock_that_was_set_back_stops_nothing(
    live: Live, service: Service, receiver: AlertReceiver
) -> None:
    """Samples of the future are not used, and no alert waits for it."""
    service.drifts(1)
    first = live(START_S)
    first.watcher.round(START_S)
    assert first.outbox.wait_empty(LIMIT_S)
    first.end(START_S)
    second = live(START_S - 86_400)
    second.watcher.round(START_S - 86_400)
    service.drifts(0)
    second.watcher.round(START_S - 86_400 + STEP_S)
    assert [("ModelDrift", False)] == second.changes


def test_a_state_that_cannot_be_written_is_said_once(
    live: Live, service: Service, receiver: AlertReceiver, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """A full disk stops no alert."""
    service.drifts(1)
    run = live(START_S)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("tidegauge_alerting.watch.state_file.os.fsync", full)
        for i in range(3):
            run.watcher.round(START_S + i * STEP_S)
        receiver.wait_for(1)
        assert run.outbox.wait_empty(LIMIT_S)
    found = [each for each in caplog.records if "No space left" in each.getMessage()]
    assert 1 == len(found)
