"""Which classes are models: those that are named, and nothing else pays."""

from __future__ import annotations

import gc
import logging
import weakref
from pathlib import Path
from typing import Any

import pytest
from tidegauge import misconfiguration, set_model_info
from tidegauge.configuration import CoreSettings
from tidegauge.settings import SettingError, load
from tidegauge_testkit.recording import Recording
from tidegauge_torch import TorchInstrumentor
from tidegauge_torch._extract import Chosen
from tidegauge_torch.settings import TorchSettings

torch = pytest.importorskip("torch")


class Net(torch.nn.Module):  # type: ignore[name-defined,misc]
    """A model of two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU())
        self.head = torch.nn.Linear(4, 1)

    def forward(self, rows: Any) -> Any:
        """Predict."""
        return self.head(self.body(rows))


@pytest.fixture
def rows() -> Any:
    """Return five rows."""
    return torch.ones(5, 3)


def named(*classes: str) -> TorchInstrumentor:
    """Instrument these classes, by code."""
    instrumentor = TorchInstrumentor()
    instrumentor.instrument(skip_dep_check=True, classes=classes)
    return instrumentor


@pytest.mark.parametrize(
    ("name", "path", "expected"),
    [
        ("Net", "app.models.Net", True),
        ("app.models.Net", "app.models.Net", True),
        ("app.Net", "app.models.Net", True),
        ("ap.Net", "app.models.Net", False),
        ("models.Net", "app.models.Net", False),
        ("app.models.deep.Net", "app.models.Net", False),
        ("Net", "app.models.SubNet", False),
        ("app.Net", "app.Net", True),
        ("Net", "app.Outer.Net", True),
    ],
)
def test_a_class_is_named_alone_or_behind_a_package(name: str, path: str, expected: bool) -> None:
    """Where a package exports a class again, either place will do."""
    chosen = Chosen()
    chosen.names = frozenset({name})
    module, _, own = path.rpartition(".")
    assert expected is chosen.is_named(type(own, (), {"__module__": module}))


def test_only_the_outermost_named_module_counts(recording: Recording, rows: Any) -> None:
    """Its layers, which are named as well, are parts of it."""
    Net().eval()(rows)
    assert {("Net", "__call__")} == set(recording.counts())
    assert 1 == recording.calls()


def test_no_other_class_is_touched(instrumented: object) -> None:
    """Torch's own method stands where it stood, and every other class inherits it."""
    assert not hasattr(torch.nn.Module.__call__, "__tidegauge__")
    for cls in (torch.nn.ReLU, torch.nn.Sequential, torch.nn.Transformer):
        assert "__call__" not in vars(cls)
        assert cls.__call__ is torch.nn.Module.__call__


def test_without_names_nothing_is_touched(monkeypatch: pytest.MonkeyPatch, rows: Any) -> None:
    """A service that names no class runs as if this package was not there."""
    monkeypatch.delenv("TIDEGAUGE_TORCH_CLASSES")
    before = torch.jit.load, vars(torch.nn.Module).copy()
    instrumentor = TorchInstrumentor()
    instrumentor.instrument(skip_dep_check=True)
    try:
        assert before == (torch.jit.load, vars(torch.nn.Module).copy())
        with Recording() as recording:
            Net().eval()(rows)
            assert 0 == recording.calls()
    finally:
        instrumentor.uninstrument()


def test_classes_may_be_named_in_code(rows: Any) -> None:
    """As an argument, which goes before the environment."""
    instrumentor = named("Sequential")
    try:
        with Recording() as recording:
            Net().eval()(rows)
            assert {"Sequential"} == recording.models()
    finally:
        instrumentor.uninstrument()


def test_a_class_that_is_defined_later_is_found(recording: Recording, rows: Any) -> None:
    """Classes are looked at when they are made; those that derive from a named one inherit it."""

    class Mine(torch.nn.Module):  # type: ignore[name-defined,misc]
        def forward(self, rows: Any) -> Any:
            return rows.sum(dim=1)

    class Further(Mine):
        pass

    Mine().eval()(rows)
    Further().eval()(rows)
    assert {"Mine", "Further"} == recording.models()
    assert 2 == recording.calls()


def test_a_class_with_a_call_of_its_own_keeps_it(rows: Any) -> None:
    """It is wrapped where it stands, and restored."""

    class Odd(torch.nn.Module):  # type: ignore[name-defined,misc]
        def __call__(self, rows: Any, *, scale: float = 1.0) -> Any:
            return rows * scale

    own = vars(Odd)["__call__"]
    instrumentor = named("Odd")
    with Recording() as recording:
        assert torch.equal(Odd().eval()(rows, scale=2.0), rows * 2)
        assert {("Odd", "__call__")} == set(recording.counts())
    instrumentor.uninstrument()
    assert vars(Odd)["__call__"] is own


def test_hooks_of_a_module_run_as_ever(recording: Recording, rows: Any) -> None:
    """Once each, and what they change is what is recorded."""
    net, seen = Net().eval(), []
    net.register_forward_pre_hook(lambda *_: seen.append("before"))
    net.register_forward_hook(lambda *given: given[2] * 0)
    assert not net(rows).any()
    assert ["before"] == seen
    (batch,) = recording.batches()
    assert batch.outputs is not None
    assert batch.outputs.matrix is not None
    assert not batch.outputs.matrix.any()


def test_gradients_flow_as_ever(recording: Recording, rows: Any) -> None:
    """A model that explains itself by gradients does."""
    given = rows.clone().requires_grad_()
    Net().eval()(given).sum().backward()
    assert given.grad is not None
    assert {} == recording.faults()


def test_data_parallel_replicas_are_no_faults(recording: Recording, rows: Any) -> None:
    """A shared or copied module is recorded like any other."""
    torch.nn.DataParallel(Net().eval())(rows)
    assert 1 == recording.calls()
    assert {} == recording.faults()


# -- names -------------------------------------------------------------------------------------


def test_a_model_goes_by_the_file_of_its_weights(
    recording: Recording, rows: Any, tmp_path: Path
) -> None:
    """torch.load reads it, load_state_dict fills the model; the base name, never the path."""
    path = tmp_path / "churn_v3.pt"
    torch.save(Net().state_dict(), path)
    net = Net().eval()
    net.load_state_dict(torch.load(path, weights_only=True))
    net(rows)
    assert {"churn_v3"} == recording.models()


def test_a_model_that_was_saved_whole_goes_by_its_file(
    recording: Recording, rows: Any, tmp_path: Path
) -> None:
    """A pickle of the whole module."""
    path = tmp_path / "whole.pt"
    torch.save(torch.nn.Linear(3, 1).eval(), path)
    torch.load(path, weights_only=False)(rows)
    assert {"whole"} == recording.models()


def test_the_precedence_of_names(rows: Any, tmp_path: Path, instrumented: object) -> None:
    """Explicit, then environment, then file, then class."""
    path = tmp_path / "churn_v3.pt"
    torch.save(Net().state_dict(), path)
    for settings, explicit, expected in [
        (CoreSettings(), "", "churn_v3"),
        (CoreSettings(model_name="served"), "", "served"),
        (CoreSettings(model_name="churn_v3=churn"), "", "churn"),
        (CoreSettings(model_name="served"), "mine", "mine"),
    ]:
        with Recording(settings) as recording:
            net = Net().eval()
            net.load_state_dict(state_dict=torch.load(path, weights_only=True))
            if explicit:
                set_model_info(net, explicit)
            net(rows)
            assert {expected} == recording.models()


def test_stand_ins_leave_nothing(recording: Recording, rows: Any) -> None:
    """What is known of a compiled or scripted model goes when it goes."""
    form = torch.fx.symbolic_trace(Net().eval())
    form(rows)
    gone = weakref.ref(form)
    del form
    gc.collect()
    assert gone() is None
    assert 1 == recording.calls()


# -- settings ----------------------------------------------------------------------------------


def test_names_are_read_from_the_environment() -> None:
    """With commas between, and space around."""
    read = load(TorchSettings, {"TIDEGAUGE_TORCH_CLASSES": " MyNet , package.Other"})
    assert ("MyNet", "package.Other") == read.classes
    assert () == load(TorchSettings, {}).classes


@pytest.mark.parametrize("text", ["MyNet,", "my-net", "a..b", ".Net", "Net()"])
def test_what_is_no_name_is_refused(text: str) -> None:
    """The message says what was got and what is expected."""
    with pytest.raises(SettingError) as caught:
        load(TorchSettings, {"TIDEGAUGE_TORCH_CLASSES": text})
    assert str(caught.value) == (
        f"TIDEGAUGE_TORCH_CLASSES: got {text!r} from the environment; expected names of classes "
        "with commas between, each alone or behind its package. Unset it to use the default."
    )


def test_a_wrong_name_is_one_error_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The service starts, and no module is watched."""
    monkeypatch.setenv("TIDEGAUGE_TORCH_CLASSES", "my-net")
    instrumentor = TorchInstrumentor()
    instrumentor.instrument(skip_dep_check=True)
    instrumentor.uninstrument()
    misconfiguration.reset()
    (line,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert line.getMessage().startswith("TIDEGAUGE_TORCH_CLASSES: got 'my-net'")
    assert line.getMessage().endswith("No PyTorch module is watched.")
