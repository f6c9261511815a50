"""What a model takes and answers becomes rows, without a wait for a device."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tidegauge import suppress
from tidegauge.batch import Table
from tidegauge.projection import project
from tidegauge_testkit.recording import Recording

torch = pytest.importorskip("torch")


class Net(torch.nn.Module):  # type: ignore[name-defined,misc]
    """A model that answers what a function makes of its arguments."""

    def __init__(self, answer: Callable[..., Any]) -> None:
        super().__init__()
        self.answer = answer
        self.eval()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Answer."""
        return self.answer(*args, **kwargs)


def tables(recording: Recording) -> tuple[Table | None, Table | None]:
    """Return features and outputs of all that was recorded, which is one batch."""
    assert {} == recording.faults()
    (batch,) = recording.batches()
    return batch.features, batch.outputs


def matrix(table: Table | None) -> Any:
    """Return the numbers of a table."""
    assert table is not None
    assert table.matrix is not None
    return table.matrix


def total(rows: Any, *_: Any) -> Any:
    """Answer one number a row."""
    return rows.reshape(len(rows), -1).float().sum(dim=1)


@pytest.mark.parametrize("kind", ["float64", "float32", "float16", "bfloat16"])
def test_numbers_of_each_precision_are_read(recording: Recording, kind: str) -> None:
    """Numpy has no bfloat16; half precision is widened."""
    rows = torch.arange(12.0).reshape(4, 3).to(getattr(torch, kind))
    Net(lambda given: given * 2)(rows)
    features, outputs = tables(recording)
    np.testing.assert_array_equal(matrix(features), np.arange(12.0).reshape(4, 3))
    np.testing.assert_array_equal(matrix(outputs), 2 * np.arange(12.0).reshape(4, 3))


@pytest.mark.parametrize(
    "make",
    [
        lambda rows: rows.requires_grad_(),
        torch.nn.Parameter,
        lambda rows: rows.t().contiguous().t(),
        lambda rows: rows.repeat(1, 2)[:, ::2][:, :3].clone(),
        lambda rows: rows.expand(4, 3),
    ],
    ids=["with gradients", "parameter", "by column", "strided", "expanded"],
)
def test_tensors_of_each_layout_are_read(recording: Recording, make: Any) -> None:
    """Whatever lies behind a plain tensor."""
    rows = make(torch.arange(12.0).reshape(4, 3))
    Net(lambda given: given + 0)(rows)
    features, outputs = tables(recording)
    np.testing.assert_array_equal(matrix(features), rows.detach().numpy())
    np.testing.assert_array_equal(matrix(outputs), rows.detach().numpy())


def test_tensors_of_inference_mode_are_read(recording: Recording) -> None:
    """The mode that serving code is told to use."""
    with torch.inference_mode():
        Net(lambda given: given * 2)(torch.ones(4, 3))
    features, outputs = tables(recording)
    assert (4, 3) == matrix(features).shape == matrix(outputs).shape


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.ones(4, 3, 2),
        lambda: torch.ones(4, 3, 8, 8),
        lambda: torch.ones(4, 5000),
        lambda: torch.ones(4, 7, dtype=torch.int64),
        lambda: torch.ones(4, 3).to_sparse(),
        lambda: torch.ones(4, 3, dtype=torch.complex64),
        lambda: torch.quantize_per_tensor(torch.ones(4, 3), 0.1, 0, torch.quint8),
    ],
    ids=["3-d", "images", "wide", "ids", "sparse", "complex", "quantized"],
)
@pytest.mark.filterwarnings("ignore")
def test_what_is_no_table_of_numbers_is_counted(recording: Recording, make: Any) -> None:
    """Its rows count, and its answers; that it is not read is no fault."""
    Net(lambda given: torch.ones(len(given)))(make())
    features, outputs = tables(recording)
    assert features is None
    assert (4, 1) == matrix(outputs).shape
    assert 4 == recording.rows().seen


@pytest.mark.parametrize("rows", [1, 4])
def test_a_device_is_not_waited_for(
    recording: Recording, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    """Of a tensor that is not in the CPU's memory the shape is all that is looked at."""
    asked: list[str] = []
    for name in ("tolist", "numpy", "cpu", "item", "to", "detach", "__getitem__", "__len__"):
        monkeypatch.setattr(torch.Tensor, name, lambda *_, name=name, **__: asked.append(name))
    Net(lambda given: given * 2)(torch.ones(rows, 3, device="meta"))
    assert [] == asked
    assert rows == recording.rows().seen
    assert {} == recording.faults()


def test_a_subclass_of_tensors_is_not_read(recording: Recording) -> None:
    """What it does when it is read is its own affair."""

    class Mine(torch.Tensor):  # type: ignore[name-defined,misc]
        @classmethod
        def __torch_function__(cls, func: Any, *given: Any, **kwargs: Any) -> Any:
            asked.append(func.__name__)
            return super().__torch_function__(func, *given, **kwargs)

    asked: list[str] = []
    Net(lambda _: torch.ones(4))(torch.ones(4, 3).as_subclass(Mine))
    assert not {"detach", "clone", "numpy", "__getitem__"} & set(asked)
    assert 4 == recording.rows().seen
    assert {} == recording.faults()


@pytest.mark.parametrize("width", [1, 2, 32, 33])
@pytest.mark.parametrize("grad", [False, True], ids=["plain", "with gradients"])
@pytest.mark.parametrize("kind", ["float64", "float32", "float16", "bfloat16"])
def test_one_row_is_read_as_several_are(
    recording: Recording, kind: str, grad: bool, width: int
) -> None:
    """Of every precision and width, and what is done to it afterwards changes nothing."""
    rows = torch.arange(float(width))[None].to(getattr(torch, kind)).requires_grad_(grad)
    with torch.no_grad() if not grad else torch.enable_grad():
        answer = Net(lambda given: given * 2)(rows)
    with torch.no_grad():
        rows.fill_(9)
        answer.fill_(9)
    features, outputs = tables(recording)
    np.testing.assert_array_equal(matrix(features), [np.arange(float(width))])
    np.testing.assert_array_equal(matrix(outputs), [2 * np.arange(float(width))])


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (lambda: torch.tensor([0.5]), [[0.5]]),
        (lambda: torch.tensor([3]), [[3.0]]),
        (lambda: torch.tensor([True]), [[1.0]]),
        (lambda: torch.tensor([[1, 0]]), [[1.0, 0.0]]),
        (lambda: torch.tensor(0.5), [[0.5]]),
        (lambda: torch.arange(40.0)[None], [list(range(40))]),
        (lambda: torch.tensor([0.5j]), None),
        (lambda: torch.tensor([[0.5j, 1]]), None),
        (lambda: torch.ones(1, 2, 2), None),
        (lambda: torch.ones(3, 2), None),
        (lambda: torch.ones(3), None),
        (lambda: torch.ones(1, 0), None),
        (lambda: torch.ones(0), None),
        (lambda: torch.ones(1, 3).to_sparse(), None),
        (lambda: torch.ones(1, 3, device="meta"), None),
    ],
)
def test_what_is_answered_to_one_row(recording: Recording, answer: Any, expected: Any) -> None:
    """One row of numbers, in whatever shape; of anything else nothing, and no fault."""
    Net(lambda _: answer())(torch.ones(1, 3))
    _, outputs = tables(recording)
    assert expected == (None if outputs is None else matrix(outputs).tolist())


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.ones(1, 7, dtype=torch.int64),
        lambda: torch.ones(1, 3, dtype=torch.complex64),
        lambda: torch.ones(1, 2, 2),
        lambda: torch.ones(1, 3).to_sparse(),
        lambda: torch.ones(1, 3, device="meta"),
        lambda: torch.ones(1, 0),
    ],
    ids=["ids", "complex", "3-d", "sparse", "meta", "no columns"],
)
def test_one_row_that_is_no_row_of_numbers_is_counted(recording: Recording, make: Any) -> None:
    """As several are."""
    Net(lambda _: torch.ones(1))(make())
    features, outputs = tables(recording)
    assert features is None
    assert (1, 1) == matrix(outputs).shape


@pytest.mark.parametrize("kind", ["float64", "float32", "int64"])
@pytest.mark.parametrize("rows", [1, 4])
def test_arrays_of_numpy_are_read_like_tensors(recording: Recording, rows: int, kind: str) -> None:
    """A module may make its tensors itself; whole numbers are ids there too."""
    Net(lambda given: torch.as_tensor(given).sum(dim=1))(np.ones((rows, 3), dtype=kind))
    features, _ = tables(recording)
    assert rows == recording.rows().seen
    assert (None if kind == "int64" else [[1.0] * 3] * rows) == (
        None if features is None else matrix(features).tolist()
    )


@pytest.mark.parametrize("count", [257, 100_000])
def test_a_batch_job_gives_256_rows(recording: Recording, count: int) -> None:
    """Chosen before they are copied, features and answers alike."""
    rows = torch.arange(float(count)).reshape(-1, 1)
    Net(lambda given: given * 2)(rows)
    features, outputs = tables(recording)
    assert count == recording.rows().seen
    assert len(matrix(features)) <= 256
    np.testing.assert_array_equal(matrix(outputs), 2 * matrix(features))


def test_what_the_caller_does_next_changes_nothing(recording: Recording) -> None:
    """Tensors are often filled again, and answers changed in place."""
    rows = torch.ones(4, 3)
    answer = Net(lambda given: given * 2)(rows)
    rows.zero_()
    answer.zero_()
    features, outputs = tables(recording)
    assert matrix(features).all()
    assert matrix(outputs).all()


def test_one_dimension_is_a_batch_of_numbers(recording: Recording) -> None:
    """As torch has it: the first dimension counts rows."""
    Net(lambda given: given > 0)(torch.arange(4.0))
    features, outputs = tables(recording)
    assert (4, 1) == matrix(features).shape == matrix(outputs).shape


def test_no_rows_are_no_rows(recording: Recording) -> None:
    """An empty batch is a call."""
    Net(lambda given: given)(torch.ones(0, 3))
    assert (1, 0) == (recording.calls(), recording.rows().seen)
    assert {} == recording.faults()


# -- other arguments -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ask",
    [
        lambda net: net(rows=torch.ones(4, 3)),
        lambda net: net(torch.ones(4, 3), torch.ones(2)),
        lambda net: net([torch.ones(4, 3), torch.ones(2)]),
        lambda net: net((torch.ones(4, 3),)),
    ],
    ids=["by name", "the first", "in a list", "in a tuple"],
)
def test_the_first_tensor_is_the_input(recording: Recording, ask: Any) -> None:
    """However it is passed."""
    ask(Net(lambda *_, **__: torch.ones(4)))
    features, _ = tables(recording)
    assert (4, 3) == matrix(features).shape


def test_a_dict_of_columns_has_names(recording: Recording) -> None:
    """One tensor a feature, also of whole numbers."""
    data = {"age": torch.tensor([1.0, 2.0]), "country": torch.tensor([[3], [4]])}
    Net(lambda _: torch.ones(2))(data)
    features, _ = tables(recording)
    assert features is not None
    assert ("age", "country") == features.names
    np.testing.assert_array_equal(matrix(features), [[1, 3], [2, 4]])


def test_a_dict_of_token_ids_is_counted(recording: Recording) -> None:
    """Text is not recorded, not as numbers either."""
    ids = torch.ones(4, 9, dtype=torch.int64)
    Net(lambda **_: torch.ones(4))(input_ids=ids, attention_mask=ids)
    Net(lambda _: torch.ones(4))({"input_ids": ids, "attention_mask": ids})
    assert 8 == recording.rows().seen
    assert [None, None] == [batch.features for batch in recording.batches()] or (
        [None] == [batch.features for batch in recording.batches()]
    )
    assert {} == recording.faults()


@pytest.mark.parametrize("data", [None, "text", 3, object(), {}, [], {"a": 1}], ids=repr)
def test_what_holds_no_tensor_is_a_call(recording: Recording, data: Any) -> None:
    """One row, of which nothing is known."""
    Net(lambda _: torch.ones(1))(data)
    assert (1, 1) == (recording.calls(), recording.rows().seen)
    assert {} == recording.faults()


# -- answers -------------------------------------------------------------------------------------


class Output(OrderedDict[str, Any]):
    """What models of transformers answer."""


@pytest.mark.parametrize(
    "answer",
    [
        lambda logits: (logits, torch.ones(1)),
        lambda logits: [logits],
        lambda logits: {"logits": logits},
        lambda logits: {"loss": torch.ones(()), "logits": logits},
        lambda logits: Output(loss=None, logits=logits, states=(logits,)),
        lambda logits: Output(states=None, hidden=logits),
    ],
    ids=["tuple", "list", "dict", "with a loss", "model output", "no logits"],
)
def test_the_prediction_is_found_among_answers(recording: Recording, answer: Any) -> None:
    """Logits, or else the first tensor; the caller has all of it."""
    expected = answer(torch.ones(4, 2))
    assert Net(lambda _: expected)(torch.ones(4, 3)) is expected
    _, outputs = tables(recording)
    assert (4, 2) == matrix(outputs).shape


@pytest.mark.parametrize("answer", [None, "text", 0.5, object(), [], {}], ids=repr)
def test_an_answer_without_a_tensor_is_counted(recording: Recording, answer: Any) -> None:
    """There is nothing to read, and no fault."""
    Net(lambda _: answer)(torch.ones(4, 3))
    _, outputs = tables(recording)
    assert outputs is None
    assert 4 == recording.rows().seen


def test_labels_are_read(recording: Recording) -> None:
    """Whole numbers that are answers are no ids."""
    Net(lambda given: given.argmax(dim=1))(torch.eye(3))
    _, outputs = tables(recording)
    np.testing.assert_array_equal(matrix(outputs), [[0], [1], [2]])


def test_an_embedding_is_projected(recording: Recording) -> None:
    """What is wider than outputs may be becomes sixteen columns that keep distances."""
    torch.manual_seed(1)
    rows = torch.randn(4, 384)
    Net(lambda given: given.half())(rows)
    _, outputs = tables(recording)
    np.testing.assert_allclose(matrix(outputs), project(rows.half().float().numpy()))
    assert {str(index) for index in range(16)} == {name for _, name in recording.values()}


# -- out of memory, threads ----------------------------------------------------------------------


def test_out_of_memory_is_the_callers(recording: Recording) -> None:
    """Torch's own error, counted by its type."""

    def exhausted(_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError, match="CUDA out of memory"):
        Net(exhausted)(torch.ones(4, 3))
    assert {"OutOfMemoryError": 1} == dict(recording.errors())


def test_what_a_model_left_is_read_when_it_is_gone(recording: Recording) -> None:
    """Nothing of a call holds the model, its tensors or their graph, and nothing needs them."""
    net, rows = Net(lambda given: given * 2), torch.ones(1, 3).requires_grad_()
    answer = net(rows)
    gone = [weakref.ref(each) for each in (net, rows, answer)]
    del net, rows, answer
    gc.collect()
    assert [None] * 3 == [each() for each in gone]
    features, outputs = tables(recording)
    assert [[1.0] * 3] == matrix(features).tolist()
    assert [[2.0] * 3] == matrix(outputs).tolist()


def test_an_asynchronous_forward_is_awaited_as_ever(recording: Recording) -> None:
    """The call is over when the coroutine is there: torch's ``__call__`` is not asynchronous."""

    async def answer(rows: Any) -> Any:
        return rows * 2

    made = Net(answer)(torch.ones(4, 3))
    assert 1 == recording.calls()
    assert torch.equal(asyncio.run(made), torch.full((4, 3), 2.0))
    assert {} == recording.faults()


def test_an_asynchronous_call_lasts_until_its_answer(recording: Recording) -> None:
    """Of a class whose ``__call__`` is; in training it is none."""

    class Mine(torch.nn.Module):  # type: ignore[name-defined,misc]
        async def __call__(self, rows: Any) -> Any:
            await asyncio.sleep(0)
            return rows * 2

    model = Mine()
    asyncio.run(model(torch.ones(4, 3)))
    assert 0 == recording.calls()
    asyncio.run(model.eval()(torch.ones(4, 3)))
    _, outputs = tables(recording)
    assert (4, 3) == matrix(outputs).shape


@pytest.mark.parametrize("own", [False, True], ids=["forward", "__call__"])
def test_a_generator_is_read_as_ever(recording: Recording, own: bool) -> None:
    """Nothing of it is taken. The call of a ``__call__`` that yields lasts until it is read."""

    def answer(self: Any, rows: Any) -> Any:
        yield from rows

    name = "__call__" if own else "forward"
    made = type("Mine", (torch.nn.Module,), {name: answer})().eval()(torch.ones(4, 3))
    assert (0 if own else 1) == recording.calls()
    assert 4 == len(list(made))
    assert 1 == recording.calls()
    assert {} == recording.faults()


def test_a_batch_of_vmap_is_no_fault(recording: Recording) -> None:
    """Its tensors have no values of their own."""
    torch.func.vmap(Net(lambda given: given.sum()))(torch.ones(4, 3))
    assert 1 == recording.calls()
    assert {} == recording.faults()


def test_what_is_suppressed_is_not_looked_at(recording: Recording) -> None:
    """``suppress`` works for modules too."""
    with suppress():
        Net(total)(torch.ones(4, 3))
    assert 0 == recording.calls()
