"""PyTorch keeps the contract of integrations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from tidegauge_testkit.contracts.integration import IntegrationContract
from tidegauge_testkit.contracts.scenario import Scenario
from tidegauge_torch import TorchInstrumentor


class TorchScenario(Scenario):
    """A layer that is named as a model, whose ``__call__`` it inherits."""

    library: ClassVar[str] = "torch"
    plugin: ClassVar[str] = "tidegauge_torch"
    operation: ClassVar[str] = "__call__"
    model_name: ClassVar[str] = "Linear"
    environ: ClassVar[dict[str, str]] = {"TIDEGAUGE_TORCH_CLASSES": "Net,Linear,Mine"}
    # Its threads are not there in a forked process.
    forkable: ClassVar[bool] = False
    warnings: ClassVar[tuple[str, ...]] = ("ignore::FutureWarning", "ignore::UserWarning")
    inputs: ClassVar[frozenset[str]] = frozenset(
        {"float64", "float32", "integers", "by column", "missing values", "lists", "no rows"}
    )
    main_source: ClassVar[str] = """
import torch

class Mine(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(3, 2, dtype=torch.float64))

    def forward(self, rows):
        return (rows @ self.weight).tolist()

def make():
    return Mine().eval(), scenario.data(8)
"""

    def instrumentor(self) -> Any:
        """Return the instrumentor."""
        return TorchInstrumentor()

    def owner(self) -> tuple[object, str]:
        """Return the class that is named."""
        import torch

        return torch.nn.Linear, "__call__"

    def fit(self) -> Any:
        """Return a layer of three features."""
        import torch

        torch.manual_seed(7)
        return torch.nn.Linear(3, 2, dtype=torch.float64).eval()

    def data(self, rows: int) -> Any:
        """Return standard normal rows."""
        import torch

        torch.manual_seed(5)
        return torch.randn(rows, 3, dtype=torch.float64)

    def feed(self, table: Any) -> Any:
        """Return a table as a tensor, which is all that a layer takes."""
        import torch

        return torch.as_tensor(table, dtype=torch.float64)

    def predict(self, model: Any, data: Any) -> Any:
        """Call the model."""
        return model(data)

    def numbers(self, result: Any) -> list[float]:
        """Return the values."""
        values: list[float] = result.flatten().tolist()
        return values

    def least(self, args: tuple[Any, ...], answer: Any) -> Callable[[], object]:
        """Return what asks whether it predicts, and reads the values: of which nothing can go."""
        from torch import _C, compiler

        model, data = args

        def ask() -> tuple[object, ...]:
            return (
                compiler.is_dynamo_compiling(), _C._is_tracing(), _C._len_torch_dispatch_stack(),
                model.training,
                data.is_cpu, data.numel(), data.tolist(),
                answer.is_cpu, answer.numel(), answer.tolist(),
            )  # fmt: skip

        return ask

    def reload(self, model: Any, folder: Path) -> Any:
        """Save the weights and fill a new model with them."""
        import torch

        torch.save(model.state_dict(), folder / "churn_v3.pt")
        fresh = torch.nn.Linear(3, 2, dtype=torch.float64).eval()
        fresh.load_state_dict(torch.load(folder / "churn_v3.pt", weights_only=True))
        return fresh

    def failing(self, error: BaseException) -> tuple[Any, Any]:
        """Return a user's model that raises."""
        import torch

        class Failing(torch.nn.Linear):  # type: ignore[misc]
            def forward(self, rows: Any) -> Any:
                raise error

        return Failing(3, 2).eval(), self.data(2)


class TestTorch(IntegrationContract):
    """All promises, for PyTorch."""

    scenario = TorchScenario()

    def test_it_goes_without_a_trace(self) -> None:
        """The method that the class did not have of its own is gone; again and again."""
        instrumentor = self.scenario.instrumentor()
        owner, name = self.scenario.owner()
        inherited = owner.__mro__[1].__call__  # type: ignore[attr-defined]
        for _ in range(2):
            instrumentor.uninstrument()
            assert name not in vars(owner)
            assert getattr(owner, name) is inherited
            assert not self.scenario.seen()
            instrumentor.instrument(skip_dep_check=True)
            assert name in vars(owner)
        assert self.scenario.seen()
