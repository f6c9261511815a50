"""Compiled, exported, scripted and traced models are recorded, and compile as without Tidegauge."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tidegauge import set_model_info, suppress
from tidegauge_testkit.recording import Recording
from tidegauge_torch._patches import private

torch = pytest.importorskip("torch")

# Compilers deprecate one another's parts.
pytestmark = pytest.mark.filterwarnings("ignore")


class Net(torch.nn.Module):  # type: ignore[name-defined,misc]
    """A model that is named, with layers that are named too."""

    def __init__(self) -> None:
        super().__init__()
        self.body = torch.nn.Linear(3, 4)
        self.head = torch.nn.Linear(4, 2)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:  # type: ignore[name-defined]
        """Predict."""
        return self.head(self.body(rows).relu())


class Outer(torch.nn.Module):  # type: ignore[name-defined,misc]
    """A module that is not named, around one that is."""

    def __init__(self) -> None:
        super().__init__()
        self.net = Net()

    def forward(self, rows: torch.Tensor) -> torch.Tensor:  # type: ignore[name-defined]
        """Predict."""
        return self.net(rows) + 1


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    torch.manual_seed(0)
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.fixture
def rows() -> Any:
    """Return five rows."""
    return torch.arange(15.0).reshape(5, 3)


def only(recording: Recording, calls: int = 1) -> None:
    """Check that what was recorded is so many calls of the model, with their rows and answers."""
    assert {("Net", "__call__")} == set(recording.counts())
    assert calls == recording.calls()
    assert calls * 5 == recording.rows().used
    assert {("Net", "0"): calls * 5, ("Net", "1"): calls * 5} == recording.values()
    assert {} == recording.faults()


def ways() -> dict[str, Callable[[Any, Any], Any]]:
    """Return how a model becomes another object that predicts the same."""
    return {
        "eager": lambda net, _: net,
        "compile": lambda net, _: torch.compile(net, backend="eager"),
        "compile, full graph": lambda net, _: torch.compile(net, backend="eager", fullgraph=True),
        "compile ahead": lambda net, _: torch.compile(net, backend="aot_eager", fullgraph=True),
        "compile in place": _compiled_in_place,
        "export": lambda net, rows: torch.export.export(net, (rows,)).module(),
        "script": lambda net, _: torch.jit.script(net),
        "trace": torch.jit.trace,
        "fx": lambda net, _: torch.fx.symbolic_trace(net),
    }


def _compiled_in_place(net: Any, _: Any) -> Any:
    net.compile(backend="eager", fullgraph=True)
    return net


@pytest.mark.parametrize("way", ways())
def test_each_form_of_a_model_is_recorded_alike(recording: Recording, rows: Any, way: str) -> None:
    """Making it is no prediction, each call is one, and the answers are the model's."""
    net = Net().eval()
    with suppress():
        expected = net(rows)
    form = ways()[way](net, rows)
    assert 0 == recording.calls()
    for _ in range(2):
        torch.testing.assert_close(form(rows), expected)
    only(recording, 2)


@pytest.mark.timeout(200)
def test_inductor_compiles_the_whole_graph(recording: Recording, rows: Any) -> None:
    """The default compiler, with no graph break allowed."""
    net = Net().eval()
    form = torch.compile(net, fullgraph=True)
    answer = form(rows)
    only(recording)
    torch.testing.assert_close(answer, net(rows))


def test_nothing_of_ours_is_in_a_graph(recording: Recording, rows: Any) -> None:
    """A module around a named one compiles whole; its graph is the one without Tidegauge."""
    graphs: list[str] = []

    def backend(graph: Any, _: Any) -> Any:
        graphs.append(graph.code)
        return graph.forward

    outer = Outer().eval()
    for instrumented in (True, False):
        torch._dynamo.reset()
        if not instrumented:
            type(outer.net).__call__, ours = torch.nn.Module.__call__, type(outer.net).__call__
        torch.compile(outer, backend=backend, fullgraph=True)(rows)
    type(outer.net).__call__ = ours
    assert graphs[0] == graphs[1]
    # What is called inside a compiled function cannot be seen.
    assert 0 == recording.calls()
    outer(rows)
    assert 1 == recording.calls()


def test_no_call_recompiles(recording: Recording, rows: Any) -> None:
    """What changes in Tidegauge is no reason to compile again."""
    counter = torch._dynamo.testing.CompileCounter()
    form = torch.compile(Net().eval(), backend=counter, fullgraph=True)
    for _ in range(20):
        form(rows)
    assert 1 == counter.frame_count
    only(recording, 20)


def test_no_call_is_lost_while_another_thread_compiles(recording: Recording, rows: Any) -> None:
    """Four threads whose first calls come at once."""
    form = torch.compile(Net().eval(), backend="eager", fullgraph=True)

    def ask(_: int) -> None:
        form(rows)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, range(40)))
    only(recording, 40)


@pytest.mark.parametrize("strict", [False, True])
def test_export_is_no_prediction(recording: Recording, rows: Any, strict: bool) -> None:
    """Neither way of exporting counts, and a module in training mode is exported as any other."""
    for net in (Net().eval(), Net()):
        exported = torch.export.export(net, (rows,), strict=strict)
        assert 0 == recording.calls()
    assert exported.module().training
    exported.module()(rows)
    only(recording)


@pytest.mark.parametrize("form", ["script", "trace", "export"])
def test_a_model_that_was_saved_is_recorded(
    recording: Recording, rows: Any, tmp_path: Path, form: str
) -> None:
    """torch.jit's files give it its name; an export goes by its class, or by its file."""
    net, path = Net().eval(), tmp_path / "churn_v3.pt"
    if form == "export":
        torch.export.save(torch.export.export(net, (rows,)), path)
        loaded = torch.export.load(path).module()
    else:
        torch.jit.save(ways()[form](net, rows), path)
        loaded = torch.jit.load(path)
    loaded(rows)
    # What torch.export reads with torch.load differs from version to version.
    assert recording.models() < ({"Net", "churn_v3"} if form == "export" else {"churn_v3", ""})
    assert 1 == recording.calls()


@pytest.mark.parametrize("way", ["compile", "script", "trace", "export", "fx"])
def test_what_is_not_named_is_not_recorded(recording: Recording, rows: Any, way: str) -> None:
    """A compiled module of another class is left alone, and what it has inside."""

    class Other(torch.nn.Module):  # type: ignore[name-defined,misc]
        def forward(self, rows: torch.Tensor) -> torch.Tensor:  # type: ignore[name-defined]
            return rows * 2

    ways()[way](Other().eval(), rows)(rows)
    assert 0 == recording.calls()
    assert {} == recording.faults()


def test_a_compiled_model_goes_by_the_name_of_the_model(recording: Recording, rows: Any) -> None:
    """Whoever names a model, and compiles it then, finds it by its name."""
    net = Net().eval()
    set_model_info(net, "fraud", "3")
    torch.compile(net, backend="eager")(rows)
    assert {("fraud", "3")} == recording.versions()


@pytest.mark.parametrize("way", ["eager", "compile", "script", "fx"])
def test_training_is_no_prediction(recording: Recording, rows: Any, way: str) -> None:
    """A model in training mode is left alone, in every form, until it is set to evaluation."""
    form = ways()[way](Net().train(), rows)
    form(rows)
    assert 0 == recording.calls()
    form.eval()
    form(rows)
    only(recording)


def test_onnx_like_tracers_are_no_predictions(recording: Recording, rows: Any) -> None:
    """Modes that watch operations, and fake tensors, predict nothing."""
    fx = pytest.importorskip("torch.fx.experimental.proxy_tensor")
    fake = pytest.importorskip("torch._subclasses")
    net = Net().eval()
    fx.make_fx(net)(rows)
    torch.fx.symbolic_trace(Outer().eval())
    with fake.FakeTensorMode(allow_non_fake_inputs=True):
        net(rows)
    assert 0 == recording.calls()
    assert {} == recording.faults()


def test_a_name_that_torch_has_no_more_is_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    """And nothing is traced, as far as can be seen."""
    renamed = SimpleNamespace(_C=SimpleNamespace())
    for _ in range(2):
        assert 0 == private(renamed, "_is_tracing")()
    (line,) = caplog.messages
    assert line.startswith("torch._C has no _is_tracing: ")


def test_a_class_that_is_not_made_right_fails_as_without_us(recording: Recording) -> None:
    """The message is torch's."""

    class Net(torch.nn.Module):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            """Forget the parent."""

        def forward(self, rows: torch.Tensor) -> torch.Tensor:  # type: ignore[name-defined]
            return rows

    with warnings.catch_warnings(), pytest.raises(AttributeError) as expected:
        torch.nn.Module.__call__(Net(), torch.ones(2))
    with pytest.raises(AttributeError) as caught:
        Net()(torch.ones(2))
    assert str(caught.value) == str(expected.value)
