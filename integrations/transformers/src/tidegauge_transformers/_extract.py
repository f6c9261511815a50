"""What a pipeline takes and answers comes to as numbers: lengths, counts, scores, embeddings.

Text goes nowhere. A label is recorded only where the model itself has it among its own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from operator import itemgetter
from typing import Any

import numpy as np
from tidegauge import identity
from tidegauge.info import ModelInfo
from tidegauge.model_file import model_name
from tidegauge.projection import project
from tidegauge.sampling import outputs_of, sampled
from tidegauge.snapshot import Lazy, Snapshot

# A row of an answer has at most so many outputs.
_MAX_OUTPUTS = 50
# Tokens of a text whose mean stands for it: lists of floats take 25 ns a number to read.
_MAX_TOKENS = 16
_LISTS = (list, tuple)
# The answer of a classifier: a label and its score.
_PAIR = 2
_TOKENS = 3  # dimensions: one text, its tokens, the numbers of each


def describe(pipeline: Any) -> ModelInfo:
    """Name a pipeline by its task and its model: ``text-classification[distilbert-sst-2]``."""
    model = getattr(pipeline, "model", None)
    identity.adopt(pipeline, model)
    place = str(getattr(model, "name_or_path", "") or "").replace("\\\\", "/").rstrip("/")
    # The last part of a path or of a hub's name, whatever dots it has.
    name = model_name(place.rpartition("/")[2] + ".name") if place else ""
    task = str(getattr(pipeline, "task", "") or type(pipeline).__name__)
    return ModelInfo(framework="transformers", class_name=f"{task}[{name or type(model).__name__}]")


class Labels:
    """The labels that a model has."""

    __slots__ = ("known", "names", "ordered", "told")

    def __init__(self, names: tuple[str, ...]) -> None:
        #: In their order.
        self.names = names
        self.known = frozenset(names)
        several = 1 < len(names) <= _MAX_OUTPUTS
        #: How many there are; -1 where they are one, or too many to be told apart.
        self.told = len(names) if several else -1
        #: Makes a row of the scores of all of them.
        self.ordered: Callable[[Any], tuple[Any, ...]] = itemgetter(*names) if several else tuple


_labels: dict[int, Labels] = identity.new_cache()


def labels_of(pipeline: Any) -> Labels:
    """Return the labels of a pipeline's model, as they were when it was first asked."""
    model = getattr(pipeline, "model", None)
    found = _labels.get(id(model))
    if found is None:
        declared = getattr(getattr(model, "config", None), "id2label", None)
        names = tuple(map(str, declared.values())) if isinstance(declared, dict) else ()
        found = Labels(names)
        if identity.watch(model):
            _labels[id(model)] = found
    return found


# -- inputs ----------------------------------------------------------------------------------------


def is_several(data: Any) -> bool:
    """Say whether an input is a list of inputs, not a conversation."""
    return isinstance(data, _LISTS) and not _is_message(next(iter(data), None))


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and "role" in value and "content" in value


def inputs_of(data: Any, stride: int) -> tuple[Snapshot, int, int, int]:
    """Return how long the chosen inputs are, how many there are, and which were chosen."""
    if stride == 1:
        text = data[0] if type(data) is list and len(data) == 1 else data
        if type(text) is str:
            return _text_of(len(text))
    return _inputs_of(data, stride)


@lru_cache(maxsize=1024)
def _text_of(characters: int) -> tuple[Snapshot, int, int, int]:
    """Return what is recorded of one text: made once a length, and read only."""
    return ("dict", {"characters": characters}), 1, 0, 1


def _features(data: Any) -> Any:
    """Return how long the inputs are, one row each."""
    if is_several(data):
        return Lazy(len(data), lambda start, step: _rows_of_inputs(data[start::step]))
    return Lazy(1, lambda *_: _rows_of_inputs([data]))


_inputs_of = sampled(_features)


def _rows_of_inputs(values: Any) -> Any:
    found = [_lengths(value) for value in values]
    return found if all(found) else None


def _lengths(value: Any) -> dict[str, float]:
    """Return lengths and counts of one input; nothing of one that is not known."""
    messages = getattr(value, "messages", value)  # transformers' own Chat
    found: dict[str, float] = {}
    if isinstance(value, str):
        found["characters"] = len(value)
    elif isinstance(value, bytes):
        found["bytes"] = len(value)
    elif isinstance(messages, _LISTS) and messages and _is_message(messages[0]):
        found |= {"messages": len(messages), "characters": sum(map(_content, messages))}
    elif isinstance(value, dict):
        texts = {key: each for key, each in value.items() if isinstance(each, str)}
        found |= {f"characters of {key}": len(each) for key, each in texts.items()}
    elif hasattr(value, "width") and hasattr(value, "height"):
        found |= {"width": value.width, "height": value.height}
    elif isinstance(value, np.ndarray):
        found["values"] = value.size
    return found


def _content(message: Any) -> int:
    content = message.get("content") if isinstance(message, dict) else None
    parts = content if isinstance(content, list) else [content]
    texts = [part.get("text") if isinstance(part, dict) else part for part in parts]
    return sum(len(text) for text in texts if isinstance(text, str))


# -- answers ---------------------------------------------------------------------------------------


def answers_of(result: Any, rows: int, start: int, step: int, pipeline: Any = None) -> Snapshot:
    """Return what the answers to the chosen inputs say; None where they are not one for each."""
    if rows == 1 and not start and type(result) is list:
        # The two commonest answers, each by itself. That to one input is the same in a list of one.
        try:
            answer = result[0] if len(result) == 1 else result
            labels = _labels.get(id(pipeline.model)) or labels_of(pipeline)
            if type(answer) is dict:
                label, score = answer["label"], answer["score"]
                if len(answer) == _PAIR and label in labels.known and type(score) is float:
                    return ("dicts", [{"label": label, "score": score}])
            # What is found in a text or an image has more than a label and a score.
            elif len(answer) == labels.told and len(answer[0]) == _PAIR:
                scores = {}
                for each in answer:  # quicker than what makes a dict at once
                    scores[each["label"]] = each["score"]
                row = labels.ordered(scores)
                if type(row[0]) is float:
                    return ("rows", [row], labels.names)
        except (AttributeError, KeyError, TypeError):
            pass
    if type(result) is Lazy:
        return outputs_of(result, rows, start, step)
    found = result if rows > 1 or (isinstance(result, _LISTS) and len(result) == 1) else [result]
    if not hasattr(found, "__len__") or len(found) != rows:
        return None
    read = Lazy(rows, lambda start, step: rows_of(found[start::step], pipeline))
    return outputs_of(read, rows, start, step)


def rows_of(values: Any, pipeline: Any) -> Any:
    """Return rows of answers: embeddings projected, of anything else a few numbers and a label."""
    embeddings = [_embedding(value) for value in values]
    if embeddings and all(each is not None for each in embeddings):
        return project(np.stack(embeddings))
    labels = labels_of(pipeline)
    found = [_numbers(value, labels) for value in values]
    return found if all(found) else None


def _embedding(value: Any) -> Any:
    """Return the mean of a text's tokens, or of some that stand evenly; None of another answer."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().float().numpy() if value.device.type == "cpu" else None
    if isinstance(value, np.ndarray):
        return value.reshape(-1, value.shape[-1]).mean(axis=0) if value.ndim else None
    while isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
        value = value[0]
    if not isinstance(value, list) or not value:
        return None
    tokens = value if isinstance(value[0], list) else [value]
    if not tokens[0] or not isinstance(tokens[0][0], float):
        return None
    chosen = tokens[:: -(-len(tokens) // _MAX_TOKENS)]
    return np.array(chosen, dtype=np.float64).mean(axis=0)


def _numbers(value: Any, labels: Labels) -> dict[str, Any]:
    """Return what one answer says in numbers; nothing of one that is not known."""
    parts = [value] if isinstance(value, dict) else value
    if not isinstance(parts, list) or not all(isinstance(each, dict) for each in parts):
        return {}
    if not parts or any(map(_is_place, parts)):
        scores = [float(each["score"]) for each in parts if "score" in each]
        return {"count": float(len(parts))} | ({"score": float(np.mean(scores))} if scores else {})
    if len(parts) == 1:
        return _of_one(parts[0], labels)
    named = {each.get("label"): each.get("score") for each in parts}
    if named.keys() == labels.known and len(parts) == len(labels.names) <= _MAX_OUTPUTS:
        return {label: float(named[label]) for label in labels.names}
    if all("score" in each for each in parts):
        return _of_one(max(parts, key=lambda each: float(each["score"])), labels)
    lengths = [length for each in parts if (length := _length(each)) is not None]
    return {"characters": float(np.mean(lengths))} if lengths else {}


def _is_place(answer: dict[Any, Any]) -> bool:
    """Say whether an answer is one of those found in a text or an image."""
    return "box" in answer or ("start" in answer and "answer" not in answer)


def _of_one(value: dict[Any, Any], labels: Labels) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if value.get("label") in labels.known:
        found["label"] = str(value["label"])
    scores = value.get("scores")
    if isinstance(scores, list) and scores:  # of labels that the caller gave
        found |= {"score": float(max(scores)), "labels": float(len(scores))}
    elif isinstance(value.get("score"), int | float | np.floating):
        found["score"] = float(value["score"])
    length = _length(value)
    return found if length is None or "token_str" in value else found | {"characters": length}


def _length(value: dict[Any, Any]) -> float | None:
    """Return how long the text of an answer is; of a conversation, its last message."""
    for key, text in value.items():
        if str(key).endswith("text") or key == "answer":
            if isinstance(text, str):
                return float(len(text))
            if isinstance(text, list) and text and _is_message(text[-1]):
                return float(_content(text[-1]))
    return None
