"""Transformers keeps the contract of integrations."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tidegauge_testkit.contracts.case import arguments, stand_in
from tidegauge_testkit.contracts.integration import IntegrationContract
from tidegauge_testkit.contracts.scenario import Scenario
from tidegauge_testkit.recording import Recording
from tidegauge_transformers import TransformersInstrumentor

WORDS = ("[UNK]", "[PAD]", "low", "high", "tide", "sea")
LABELS = ("calm", "storm")


class TransformersScenario(Scenario):
    """A classifier of texts with random weights, all of whose scores are asked for."""

    library: ClassVar[str] = "transformers"
    plugin: ClassVar[str] = "tidegauge_transformers"
    operation: ClassVar[str] = "__call__"
    model_name: ClassVar[str] = "text-classification[BertForSequenceClassification]"
    # Threads of torch are not there in a forked process.
    forkable: ClassVar[bool] = False
    warnings: ClassVar[tuple[str, ...]] = ("ignore",)
    # Each is a run of the model.
    most_rows: ClassVar[int] = 300

    def instrumentor(self) -> Any:
        """Return the instrumentor."""
        return TransformersInstrumentor()

    def owner(self) -> tuple[object, str]:
        """Return the class that holds ``__call__`` of classifiers."""
        from transformers.pipelines.text_classification import TextClassificationPipeline

        return TextClassificationPipeline, "__call__"

    def parts(self) -> dict[str, Any]:
        """Return a model and its tokenizer."""
        import torch
        from tokenizers import Tokenizer, models, pre_tokenizers
        from transformers import (
            BertConfig,
            BertForSequenceClassification,
            PreTrainedTokenizerFast,
        )

        torch.manual_seed(0)
        words = {word: index for index, word in enumerate(WORDS)}
        tokenizer = Tokenizer(models.WordLevel(words, unk_token=WORDS[0]))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        config = BertConfig(
            vocab_size=len(words), hidden_size=8, num_hidden_layers=1, num_attention_heads=1,
            intermediate_size=8, max_position_embeddings=32, id2label=dict(enumerate(LABELS)),
            label2id={label: index for index, label in enumerate(LABELS)},
        )  # fmt: skip
        fast = PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, unk_token=WORDS[0], pad_token=WORDS[1]
        )
        model = BertForSequenceClassification(config).eval()
        return {"model": model, "tokenizer": fast, "device": "cpu", "top_k": None}

    def fit(self) -> Any:
        """Return a pipeline."""
        from transformers import pipeline

        return pipeline("text-classification", **self.parts())

    def data(self, rows: int) -> Any:
        """Return texts."""
        return [" ".join(("low", "high", "tide", "sea")[: index % 4 + 1]) for index in range(rows)]

    def predict(self, model: Any, data: Any) -> Any:
        """Call the pipeline."""
        return model(data)

    def numbers(self, result: Any) -> list[float]:
        """Return the scores, label by label."""
        found = [{each["label"]: each["score"] for each in row} for row in result]
        return [float(row[label]) for row in found for label in LABELS]

    def least(self, args: tuple[Any, ...], answer: Any) -> Callable[[], object]:
        """Return what reads a length, and the score of each label by its name."""
        (_, (text,)), (scores,) = args, answer
        pair = itemgetter("label", "score")
        return lambda: (len(text), dict(map(pair, scores)))

    def reload(self, model: Any, folder: Path) -> Any:
        """Save the pipeline and load it from its folder."""
        from transformers import pipeline

        model.save_pretrained(folder / "churn_v3")
        return pipeline("text-classification", str(folder / "churn_v3"), device="cpu", top_k=None)

    def failing(self, error: BaseException) -> tuple[Any, Any]:
        """Return a user's pipeline that raises."""
        from transformers import TextClassificationPipeline

        class Failing(TextClassificationPipeline):  # type: ignore[misc]
            def __call__(self, *_: Any, **__: Any) -> Any:
                raise error

        return Failing(**self.parts(), task="text-classification"), self.data(2)


@pytest.mark.filterwarnings("ignore")
class TestTransformers(IntegrationContract):
    """All promises, for transformers."""

    scenario = TransformersScenario()

    def test_the_result_is_what_the_library_returned(
        self, recording: Recording, model: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The same object comes back; what is recorded is made of it, not it itself."""
        with arguments(self.wrapper()) as found:
            answer = self.ask(model)
        ((args, named),) = found
        with stand_in(self.wrapper(), lambda *_, **__: answer):
            assert self.wrapper()(*args, **named) is answer
        assert recording.calls() == 2
