"""Transformers under instrumentation, where it is installed, with models made in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tidegauge_testkit.instrumentation import switched_on
from tidegauge_testkit.recording import Recording
from tidegauge_transformers import TransformersInstrumentor


@pytest.fixture(scope="class", autouse=True)
def _installed() -> None:
    """Skip where the libraries are not there."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")


@pytest.fixture
def instrumented() -> Iterator[TransformersInstrumentor]:
    """Instrument transformers for one test."""
    with switched_on(TransformersInstrumentor()) as instrumentor:
        yield instrumentor


@pytest.fixture
def recording(instrumented: TransformersInstrumentor) -> Iterator[Recording]:
    """Return what is recorded in one test."""
    with Recording() as recording:
        yield recording


class Workshop:
    """Makes pipelines of tiny models, whose words are few and weights are random."""

    words = ("[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]", "low", "high", "tide", "the", "sea")
    labels = ("calm", "storm", "entailment")

    def __init__(self) -> None:
        import torch
        import transformers
        from tokenizers import Tokenizer, models, pre_tokenizers

        torch.manual_seed(0)
        self.library = transformers
        words = {word: index for index, word in enumerate(self.words)}
        tokenizer = Tokenizer(models.WordLevel(words, unk_token=self.words[0]))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        names = {
            f"{kind}_token": f"[{kind.upper()}]" for kind in ("unk", "pad", "cls", "sep", "mask")
        }
        self.tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)
        self.bert = transformers.BertConfig(
            vocab_size=len(words),
            hidden_size=64,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=64,
            id2label=dict(enumerate(self.labels)),
            label2id={label: index for index, label in enumerate(self.labels)},
        )
        self.gpt = transformers.GPT2Config(
            vocab_size=len(words), n_embd=32, n_layer=1, n_head=2, n_positions=64,
            bos_token_id=2, eos_token_id=3, pad_token_id=1,
        )  # fmt: skip

    def model(self, task: str) -> Any:
        """Return a model for a task."""
        kinds = {
            "text-classification": ("BertForSequenceClassification", self.bert),
            "zero-shot-classification": ("BertForSequenceClassification", self.bert),
            "token-classification": ("BertForTokenClassification", self.bert),
            "fill-mask": ("BertForMaskedLM", self.bert),
            "feature-extraction": ("BertModel", self.bert),
            "text-generation": ("GPT2LMHeadModel", self.gpt),
        }
        name, config = kinds[task]
        return getattr(self.library, name)(config).eval()

    def pipeline(self, task: str, **options: Any) -> Any:
        """Return a pipeline."""
        options = {"model": self.model(task), "tokenizer": self.tokenizer, **options}
        return self.library.pipeline(task, device="cpu", **options)


@pytest.fixture(scope="session")
def workshop() -> Workshop:
    """Return what makes pipelines."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    return Workshop()
