"""Each task of a pipeline is one call, and says how long and how sure, never what."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tidegauge import set_model_info, suppress
from tidegauge.batch import Table
from tidegauge.configuration import CoreSettings
from tidegauge.projection import project
from tidegauge_testkit.recording import Recording

pytestmark = pytest.mark.filterwarnings("ignore")

TEXTS = ["low tide", "the high sea", "tide"]
CHARACTERS = [[8.0], [12.0], [4.0]]


def tables(recording: Recording) -> tuple[Table | None, Table | None]:
    """Return features and outputs of all that was recorded, which is one batch."""
    assert {} == recording.faults()
    (batch,) = recording.batches()
    return batch.features, batch.outputs


def column(table: Table | None, name: str) -> list[Any]:
    """Return the values of one column."""
    assert table is not None
    assert table.names is not None
    at = table.names.index(name)
    values = table.matrix[:, at] if table.matrix is not None else (table.columns or ())[at]
    found: list[Any] = values.tolist()
    return found


@pytest.mark.parametrize("several", [False, True])
def test_classification(recording: Recording, workshop: Any, several: bool) -> None:
    """The label is the model's, its score a value, and the length of the text a feature."""
    pipe = workshop.pipeline("text-classification")
    answer = pipe(TEXTS if several else TEXTS[0])
    features, outputs = tables(recording)
    count = 3 if several else 1
    assert ("characters",) == (features.names if features else None)
    assert [row[0] for row in CHARACTERS[:count]] == column(features, "characters")
    assert [row["label"] for row in answer] == column(outputs, "label")
    assert [row["score"] for row in answer] == pytest.approx(column(outputs, "score"))
    assert {("text-classification[BertForSequenceClassification]", "score"): count} == (
        recording.values()
    )
    assert count == recording.rows().used


@pytest.mark.parametrize("several", [False, True])
def test_all_scores_are_one_output_a_label(
    recording: Recording, workshop: Any, several: bool
) -> None:
    """Where the caller asks for all of them."""
    answer = workshop.pipeline("text-classification")(TEXTS if several else TEXTS[0], top_k=None)
    _, outputs = tables(recording)
    assert outputs is not None
    assert ("calm", "storm", "entailment") == outputs.names
    rows = answer if several else [answer]
    for label in outputs.names:
        expected = [each["score"] for row in rows for each in row if each["label"] == label]
        assert expected == pytest.approx(column(outputs, label))


def test_the_best_of_some_scores_is_recorded(recording: Recording, workshop: Any) -> None:
    """Which others there are differs from call to call."""
    answer = workshop.pipeline("text-classification")(TEXTS, top_k=2)
    _, outputs = tables(recording)
    assert [row[0]["label"] for row in answer] == column(outputs, "label")


def test_labels_of_the_caller_are_not_recorded(recording: Recording, workshop: Any) -> None:
    """Zero-shot labels come with the request: they are text like any other."""
    answer = workshop.pipeline("zero-shot-classification")(
        TEXTS, candidate_labels=["a secret", "another"]
    )
    _, outputs = tables(recording)
    assert outputs is not None
    assert ("score", "labels") == outputs.names
    assert [max(row["scores"]) for row in answer] == pytest.approx(column(outputs, "score"))


@pytest.mark.parametrize("data", [TEXTS[0], TEXTS[:1], TEXTS])
def test_a_label_that_is_not_the_models_is_not_recorded(
    recording: Recording, workshop: Any, data: Any
) -> None:
    """A pipeline that answers with the caller's own looks like any classifier."""
    pipe = workshop.pipeline("text-classification")
    pipe.postprocess = lambda *_, **__: {"label": "a secret", "score": 0.5}
    pipe(data)
    _, outputs = tables(recording)
    assert outputs is not None
    assert ("score",) == outputs.names


def test_generation(recording: Recording, workshop: Any) -> None:
    """How long the answer is, in characters, with the prompt where the pipeline returns it."""
    pipe = workshop.pipeline("text-generation")
    answer = pipe(TEXTS, max_new_tokens=4)
    _, outputs = tables(recording)
    assert [len(row[0]["generated_text"]) for row in answer] == column(outputs, "characters")


def test_several_sequences_of_one_prompt_are_one_answer(
    recording: Recording, workshop: Any
) -> None:
    """Their mean length."""
    pipe = workshop.pipeline("text-generation")
    answer = pipe(TEXTS[0], max_new_tokens=4, do_sample=True, num_return_sequences=3)
    _, outputs = tables(recording)
    lengths = [len(each["generated_text"]) for each in answer]
    assert [np.mean(lengths)] == pytest.approx(column(outputs, "characters"))


def test_a_conversation_is_one_input(recording: Recording, workshop: Any) -> None:
    """Its messages are counted, and the last answer's length."""
    workshop.tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }} {% endfor %}"
    talk = [{"role": "user", "content": "low tide"}, {"role": "assistant", "content": "sea"}]
    answer = workshop.pipeline("text-generation")(talk, max_new_tokens=4)
    features, outputs = tables(recording)
    assert [2.0] == column(features, "messages")
    assert [11.0] == column(features, "characters")
    last = answer[0]["generated_text"][-1]["content"]
    assert [len(last)] == column(outputs, "characters")


def test_entities_are_counted(recording: Recording, workshop: Any) -> None:
    """How many, and how sure; not which words."""
    answer = workshop.pipeline("token-classification")(TEXTS)
    _, outputs = tables(recording)
    assert [len(row) for row in answer] == column(outputs, "count")
    expected = [np.mean([each["score"] for each in row]) for row in answer]
    assert expected == pytest.approx(column(outputs, "score"), rel=1e-5)


def test_a_filled_mask_is_its_score(recording: Recording, workshop: Any) -> None:
    """Of the best word, which is not told."""
    answer = workshop.pipeline("fill-mask")("low [MASK]")
    _, outputs = tables(recording)
    assert outputs is not None
    assert ("score",) == outputs.names
    assert [answer[0]["score"]] == pytest.approx(column(outputs, "score"))


@pytest.mark.parametrize("options", [{}, {"return_tensors": True}], ids=["lists", "tensors"])
@pytest.mark.parametrize("several", [False, True])
def test_embeddings_are_projected(
    recording: Recording, workshop: Any, several: bool, options: dict[str, Any]
) -> None:
    """The mean of a text's tokens, as sixteen columns that keep distances."""
    answer = workshop.pipeline("feature-extraction")(TEXTS if several else TEXTS[0], **options)
    _, outputs = tables(recording)
    assert outputs is not None
    assert outputs.matrix is not None
    rows = answer if several else [answer]
    expected = project([np.array(row, dtype=float)[0].mean(axis=0) for row in rows])
    np.testing.assert_allclose(outputs.matrix, expected, rtol=1e-5, atol=1e-6)
    assert 16 == len(recording.values())


def test_a_long_text_costs_no_more(recording: Recording, workshop: Any) -> None:
    """Of many tokens sixteen, evenly, stand for all."""
    answer = workshop.pipeline("feature-extraction")(" ".join(["tide", "low", "sea"] * 20))
    _, outputs = tables(recording)
    assert outputs is not None
    assert outputs.matrix is not None
    tokens = np.array(answer[0], dtype=float)
    expected = project([tokens[:: -(-len(tokens) // 16)].mean(axis=0)])
    np.testing.assert_allclose(outputs.matrix, expected, rtol=1e-5, atol=1e-6)


def test_no_text_is_anywhere(recording: Recording, workshop: Any) -> None:
    """Of nothing that was recorded any part is a word that went in or came out."""
    for task in ("text-classification", "text-generation", "token-classification"):
        workshop.pipeline(task)(["low tide", "the sea"])
    workshop.pipeline("fill-mask")("low [MASK]")
    found = repr(recording.batches()) + repr(recording.counts())
    for word in ("low", "tide", "the sea", "[MASK]"):
        assert f"'{word}" not in found
    assert 4 == recording.calls()


@pytest.mark.parametrize("data", [[], None, 3, object()], ids=["none", "None", "3", "object"])
def test_input_that_the_library_refuses_is_its_affair(
    recording: Recording, workshop: Any, data: Any
) -> None:
    """Whatever is passed, the caller sees what the library does with it."""
    pipe = workshop.pipeline("text-classification")
    with suppress():
        try:
            expected: Any = pipe(data)
        except Exception as error:
            expected = error
    try:
        answer: Any = pipe(data)
    except Exception as error:
        answer = error
    assert (type(expected), str(expected)) == (type(answer), str(answer))
    assert 1 == recording.calls()
    assert {} == recording.faults()


@pytest.mark.parametrize("top_k", [None, 2])
def test_what_is_found_in_a_text_is_no_score_of_labels(
    recording: Recording, workshop: Any, top_k: int | None
) -> None:
    """Also where it is as many as the model has labels, each with a label of the model."""
    pipe = workshop.pipeline("text-classification")
    found = [
        {"label": name, "score": 0.5, "box": {}} for name in pipe.model.config.id2label.values()
    ]
    pipe.postprocess = lambda *_, **__: found
    assert [found] == pipe([TEXTS[0]], top_k=top_k)
    _, outputs = tables(recording)
    assert [3.0] == column(outputs, "count")


def test_labels_are_those_of_the_model_that_a_pipeline_has(
    recording: Recording, workshop: Any
) -> None:
    """Whoever gives it another one gets that one's."""
    pipe = workshop.pipeline("text-classification")
    pipe(TEXTS[0], top_k=None)
    other = workshop.model("text-classification")
    other.config = type(other.config)(
        **(other.config.to_dict() | {"id2label": {0: "a", 1: "b", 2: "c"}})
    )
    pipe.model = other
    pipe(TEXTS[0], top_k=None)
    assert [("calm", "storm", "entailment"), ("a", "b", "c")] == [
        batch.outputs.names for batch in recording.batches() if batch.outputs
    ]


@pytest.mark.parametrize(
    ("task", "options"),
    [
        ("text-classification", {}),
        ("text-classification", {"top_k": None}),
        ("zero-shot-classification", {"candidate_labels": ["x", "y"]}),
        ("token-classification", {}),
        ("feature-extraction", {}),
        ("feature-extraction", {"return_tensors": True}),
        ("text-generation", {"max_new_tokens": 4, "do_sample": False}),
    ],
)
def test_one_input_is_recorded_alone_as_in_a_list(
    recording: Recording, workshop: Any, task: str, options: dict[str, Any]
) -> None:
    """Neither more nor less is known of it."""
    pipe = workshop.pipeline(task)
    pipe(TEXTS[1], **options)
    pipe([TEXTS[1]], **options)
    features, outputs = tables(recording)
    assert [12.0, 12.0] == column(features, "characters")
    assert outputs is not None
    for name in outputs.names or ():
        alone, listed = column(outputs, name)
        assert alone == (listed if isinstance(listed, str) else pytest.approx(listed))


# -- faults ----------------------------------------------------------------------------------------


def test_out_of_memory_is_the_callers(recording: Recording, workshop: Any) -> None:
    """Torch's own error, counted by its type."""
    import torch

    def exhausted(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    pipe = workshop.pipeline("text-classification")
    pipe.model.forward = exhausted
    with pytest.raises(torch.OutOfMemoryError, match="CUDA out of memory"):
        pipe(TEXTS)
    assert {"OutOfMemoryError": 1} == dict(recording.errors())
    assert {} == recording.faults()


def test_what_a_pipeline_left_is_read_when_it_is_gone(recording: Recording, workshop: Any) -> None:
    """Nothing of a call holds it or its model, and nothing needs them."""
    pipe = workshop.pipeline("text-classification")
    pipe(TEXTS)
    pipe(TEXTS[0])
    gone = [weakref.ref(pipe), weakref.ref(pipe.model)]
    del pipe
    gc.collect()
    assert [None, None] == [each() for each in gone]
    features, outputs = tables(recording)
    assert [8.0, 12.0, 4.0, 8.0] == column(features, "characters")
    assert 4 == len(column(outputs, "label"))


def own(workshop: Any, call: Any) -> Any:
    """Return a pipeline of a class of the app's, with a ``__call__`` of its own."""
    kind = type("Own", (workshop.library.TextClassificationPipeline,), {"__call__": call})
    plain = workshop.pipeline("text-classification")
    return kind(model=plain.model, tokenizer=plain.tokenizer, device="cpu")


def test_an_asynchronous_pipeline_is_awaited(recording: Recording, workshop: Any) -> None:
    """One call, until its answer is there; the pipeline's own inside is a part of it."""
    inner = workshop.pipeline("text-classification")

    async def call(_: Any, texts: Any) -> Any:
        await asyncio.sleep(0)
        return inner(texts)

    answer = asyncio.run(own(workshop, call)(TEXTS))
    assert 1 == recording.calls()
    _, outputs = tables(recording)
    assert [row["label"] for row in answer] == column(outputs, "label")


@pytest.mark.parametrize("makes", [False, True], ids=["is one", "returns one"])
def test_a_pipeline_that_yields_is_one_call(
    recording: Recording, workshop: Any, makes: bool
) -> None:
    """Over when its last answer is read."""
    inner = workshop.pipeline("text-classification")

    def call(_: Any, texts: Any) -> Any:
        for text in texts:
            yield from inner(text)

    read = own(workshop, (lambda self, texts: call(self, texts)) if makes else call)(TEXTS)
    assert "generator" == type(read).__name__
    next(read)
    assert 0 == recording.calls()
    assert 2 == len(list(read))
    assert (1, 0) == (recording.calls(), recording.cancelled())
    assert {} == recording.faults()


# -- names -------------------------------------------------------------------------------------


def test_a_saved_model_goes_by_its_folder(
    recording: Recording, workshop: Any, tmp_path: Any
) -> None:
    """The last part of where it came from, whatever dots it has, behind the task."""
    place = tmp_path / "tide-v1.5"
    workshop.pipeline("text-classification").save_pretrained(place)
    workshop.library.pipeline("text-classification", model=str(place), device="cpu")("low")
    assert {"text-classification[tide-v1.5]"} == recording.models()


def test_the_precedence_of_names(workshop: Any, instrumented: object) -> None:
    """Explicit, of the pipeline or of its model, then environment, then task and model."""
    for settings, named, expected in [
        (CoreSettings(), None, "text-classification[BertForSequenceClassification]"),
        (CoreSettings(model_name="served"), None, "served"),
        (CoreSettings(model_name="served"), "pipeline", "mine"),
        (CoreSettings(model_name="served"), "model", "mine"),
    ]:
        with Recording(settings) as recording:
            pipe = workshop.pipeline("text-classification")
            if named:
                set_model_info(pipe if named == "pipeline" else pipe.model, "mine")
            pipe("low tide")
            assert {expected} == recording.models()


# -- streams -------------------------------------------------------------------------------------


def texts(count: int) -> Iterator[str]:
    """Yield texts."""
    for index in range(count):
        yield TEXTS[index % 3]


class Counted:
    """A data set of texts."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> str:
        if index >= self.count:
            raise IndexError(index)
        return TEXTS[index % 3]


def dataset(count: int) -> Any:
    """Return a data set of torch."""
    import torch

    return type("Texts", (Counted, torch.utils.data.Dataset), {})(count)


@pytest.mark.parametrize("make", [texts, dataset], ids=["generator", "data set"])
@pytest.mark.parametrize("batch_size", [1, 2])
def test_a_stream_is_one_call(
    recording: Recording, workshop: Any, make: Any, batch_size: int
) -> None:
    """It ends with the last answer; what the caller gets is the library's own object."""
    pipe = workshop.pipeline("text-classification")
    stream = pipe(make(7), batch_size=batch_size)
    assert "PipelineIterator" == type(stream).__name__
    assert 0 == recording.calls()
    answers = [next(stream) if index else next(iter(stream)) for index in range(3)]
    assert 0 == recording.calls()
    pipe.model(**pipe.tokenizer("low", return_tensors="pt"))  # the caller is outside in between
    answers += list(_rest(stream))
    assert 7 == len(answers)
    assert 1 == recording.calls()
    assert 7 == recording.rows().seen
    features, outputs = tables(recording)
    assert features is None
    assert [each["label"] for each in answers] == column(outputs, "label")


def _rest(stream: Any) -> Iterator[Any]:
    while True:
        try:
            yield next(stream)
        except StopIteration:
            return


def test_a_long_stream_keeps_a_sample(recording: Recording, workshop: Any) -> None:
    """256 answers at the most, and all are counted."""
    for _ in workshop.pipeline("text-classification")(texts(300), batch_size=50):
        pass
    assert (1, 300) == (recording.calls(), recording.rows().seen)
    _, outputs = tables(recording)
    assert outputs is not None
    assert 256 == outputs.rows


def test_streams_of_embeddings_are_projected(recording: Recording, workshop: Any) -> None:
    """As those that are answered at once."""
    answers = list(workshop.pipeline("feature-extraction")(texts(3)))
    _, outputs = tables(recording)
    assert outputs is not None
    assert outputs.matrix is not None
    expected = project([np.array(row, dtype=float)[0].mean(axis=0) for row in answers])
    np.testing.assert_allclose(outputs.matrix, expected, rtol=1e-5, atol=1e-6)


def test_a_stream_that_breaks_is_an_error(recording: Recording, workshop: Any) -> None:
    """The same exception, counted by its type, with the rows that there were."""

    def broken() -> Iterator[str]:
        yield "low"
        raise LookupError("the source is gone")

    stream = workshop.pipeline("text-classification")(broken())
    with pytest.raises(LookupError, match="the source is gone"):
        list(stream)
    assert {"LookupError": 1} == dict(recording.errors())


def test_a_stream_that_nobody_reads_on_is_cancelled(recording: Recording, workshop: Any) -> None:
    """When it is gone."""
    stream = workshop.pipeline("text-classification")(texts(5))
    next(iter(stream))
    del stream
    gc.collect()
    assert (1, 1) == (recording.calls(), recording.cancelled())


def test_an_empty_stream_is_a_call(recording: Recording, workshop: Any) -> None:
    """Of no rows."""
    assert [] == list(workshop.pipeline("text-classification")(dataset(0)))
    assert (1, 0) == (recording.calls(), recording.rows().seen)


def test_a_stream_may_be_read_again(recording: Recording, workshop: Any) -> None:
    """Each reading is one call, and asking on at its end is none."""
    stream = workshop.pipeline("text-classification")(dataset(3))
    assert 3 == len(stream)
    for readings in (1, 2):
        assert 3 == len(list(stream))
        assert next(stream, None) is None
        assert readings == recording.calls()
    assert 6 == recording.rows().seen


def test_a_suppressed_stream_is_not_recorded(recording: Recording, workshop: Any) -> None:
    """Neither the call nor the reading."""
    with suppress():
        stream = workshop.pipeline("text-classification")(texts(3))
    list(stream)
    assert 0 == recording.calls()
