"""A reference profile as plain values, as its file holds them, and back."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from tidegauge_drift.correlation import Correlation
from tidegauge_drift.fields import integer, number, number_or_nan, same, text, whole
from tidegauge_drift.grid import Edges, Grid
from tidegauge_drift.leaves import pack_numbers, unpack_numbers
from tidegauge_drift.profile import (
    CategoricalFeature,
    Feature,
    LeftOut,
    NumericFeature,
    ReferenceProfile,
    Segments,
)
from tidegauge_drift.wide import wide_edges

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


def to_dict(profile: ReferenceProfile) -> dict[str, Any]:
    """Return a profile as plain values, as the file holds them.

    What is not known is left out: a profile of format 1 is written as it was read.
    """
    more = {
        "time_column": profile.time_column,
        "span": profile.span and list(profile.span),
        "season": profile.season,
        "merged": profile.merged,
        "correlation": profile.correlation and _correlation_dict(profile.correlation),
    }
    return {
        "rows": profile.rows,
        "columns": profile.columns,
        "named": profile.named,
        "features": [_feature_dict(feature) for feature in profile.features],
        "outputs": [_feature_dict(feature) for feature in profile.outputs],
        "left_out": [[c.name, c.position, c.note] for c in profile.left_out],
        "source": profile.source,
        "built": profile.built,
        "order": profile.order,
        "deff": profile.deff,
        **{name: value for name, value in more.items() if value},
        **({} if profile.segments is None else {"segments": _segments_dict(profile.segments)}),
    }


def _segments_dict(segments: Segments) -> dict[str, Any]:
    return {
        "name": segments.name,
        "position": segments.position,
        "texts": list(segments.texts),
        "hashes": _hex(segments.hashes),
    }


def _feature_dict(feature: Feature) -> dict[str, Any]:
    shared = {
        "name": feature.name,
        "position": feature.position,
        "counts": feature.counts.tolist(),
        **({"deff": feature.deff} if feature.deff != 1 else {}),
        **({"by_slot": _packed(feature.by_slot)} if feature.by_slot is not None else {}),
        **({"by_segment": _packed(feature.by_segment)} if feature.by_segment is not None else {}),
    }
    if isinstance(feature, CategoricalFeature):
        return {
            **shared,
            "kind": "categorical",
            "top": list(feature.top),
            "top_hashes": _hex(feature.top_hashes),
            "known": _hex(feature.known),
            "distinct": feature.distinct,
            "singletons": feature.singletons,
            **({} if feature.known_counts is None
               else {"known_counts": pack_numbers(feature.known_counts.tolist())}),
        }  # fmt: skip
    grid, ticks = feature.edges.grid, feature.edges.ticks
    return {
        **shared,
        "kind": "numeric",
        "grid": [grid.shift, grid.scale, grid.low, grid.per],
        "edges": feature.edges.values.tolist(),
        "ticks": None if ticks is None else ticks.tolist(),
        **({"single": True} if feature.edges.single else {}),
        "bins": feature.bins.tolist(),
        "atoms": list(feature.atoms),
        "sums": [_finite(value) for value in feature.sums.tolist()],
        "minimum": feature.minimum,
        "maximum": feature.maximum,
        "mean": _finite(feature.mean),
        "sd": _finite(feature.sd),
        "quartiles": [_finite(value) for value in feature.quartiles],
        "ks_error": feature.ks_error,
        "ks_error_bound": feature.ks_error_bound,
        **({"leaves": feature.leaves} if feature.leaves else {}),
        **({"unit": feature.unit} if feature.unit else {}),
        **({"wide": feature.wide.tolist()} if feature.wide is not None else {}),
    }


def _correlation_dict(known: Correlation) -> dict[str, Any]:
    return {
        "names": list(known.names),
        "sums": known.sums.tolist(),
        "rows": pack_numbers(known.rows.tolist()),
        "spreads": known.spreads.tolist(),
    }


def _correlation(item: Any, features: Sequence[Feature]) -> Correlation | None:
    if item is None:
        return None
    names = tuple(text(name) for name in item["names"])
    if not {f.name for f in features if isinstance(f, NumericFeature)}.issuperset(names):
        raise ValueError("names")
    found = Correlation(
        names,
        np.array([integer(value) for value in item["sums"]], np.int64),
        np.array(unpack_numbers(text(item["rows"])), np.int64),
        np.array([number(value) for value in item["spreads"]], np.float64),
    )
    width = len(set(names))
    pairs = width * (width + 1) // 2
    same(len(names), width)
    same(found.sums.size - width, found.rows.size, found.spreads.size + width, pairs)
    return found


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _packed(parts: NDArray[np.int64]) -> str:
    return pack_numbers(parts.ravel().tolist())


def _parts(item: Mapping[str, Any], name: str, size: int) -> NDArray[np.int64] | None:
    if name not in item:
        return None
    return np.array(unpack_numbers(text(item[name])), np.int64).reshape(-1, size)


def _hex(codes: NDArray[np.uint64]) -> str:
    return codes.astype("<u8").tobytes().hex()


def _codes(text: str) -> NDArray[np.uint64]:
    return np.frombuffer(bytes.fromhex(text), "<u8").astype(np.uint64)


def from_dict(content: Mapping[str, Any], version: int) -> ReferenceProfile:
    """Return the profile of plain values in a format.

    Raises
    ------
    KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError
        They are of no profile.
    """
    features = tuple(_feature(item) for item in content["features"])
    if not features:
        raise ValueError("features")
    outputs = tuple(_feature(item) for item in content["outputs"])
    return ReferenceProfile(
        rows=whole(content["rows"]),
        columns=whole(content["columns"]),
        named=content["named"] is True,
        features=features,
        outputs=outputs,
        left_out=tuple(
            LeftOut(text(name), whole(position), text(note))
            for name, position, note in content["left_out"]
        ),
        source=text(content["source"]),
        built=text(content["built"]),
        order=text(content["order"]),
        deff=number(content["deff"]),
        time_column=text(content.get("time_column", "")),
        span=_span(content.get("span")),
        season=text(content.get("season", "")),
        merged=whole(content.get("merged", 0)),
        correlation=_correlation(content.get("correlation"), features),
        format=version,
        segments=_segments(content.get("segments"), (*features, *outputs)),
    )


def _segments(found: Any, features: tuple[Feature, ...]) -> Segments | None:
    parts = [f.by_segment for f in features if f.by_segment is not None]
    if found is None:
        same(0, len(parts))
        return None
    texts = tuple(text(each) for each in found["texts"])
    hashes = _codes(found["hashes"])
    same(len(texts), hashes.size, *map(len, parts))
    return Segments(text(found["name"]), whole(found["position"]), texts, hashes)


def _span(found: Any) -> tuple[str, str] | None:
    if found is None:
        return None
    first, last = map(text, found)
    return first, last


def _feature(item: Mapping[str, Any]) -> Feature:
    name, position = text(item["name"]), whole(item["position"])
    counts = np.array([whole(count) for count in item["counts"]], np.int64)
    if counts.sum() <= 0:
        raise ValueError("counts")
    deff, by_slot = number(item.get("deff", 1.0)), _parts(item, "by_slot", counts.size)
    by_segment = _parts(item, "by_segment", counts.size)
    if item["kind"] == "categorical":
        top = tuple(text(category) for category in item["top"])
        hashes = _codes(item["top_hashes"])
        known, times = _codes(item["known"]), item.get("known_counts")
        known_counts = None if times is None else np.array(unpack_numbers(text(times)), np.int64)
        same(len(top), hashes.size, counts.size - 4)
        same(known.size, known.size if known_counts is None else known_counts.size)
        return CategoricalFeature(
            name, position, top, hashes, known, counts,
            whole(item["distinct"]), whole(item["singletons"]), known_counts, deff, by_slot,
            by_segment,
        )  # fmt: skip
    if item["kind"] != "numeric":
        raise ValueError("kind")
    ticks = item["ticks"]
    values = np.array([number(edge) for edge in item["edges"]], np.float64)
    edges = Edges(
        Grid(*(number(value) for value in item["grid"])),
        values,
        None if ticks is None else np.array([whole(tick) for tick in ticks], np.int64),
        item.get("single") is True,
    )
    same(values.size, values.size if edges.ticks is None else edges.ticks.size)
    bins = np.array([whole(b) for b in item["bins"]], np.uint8)
    same(counts.size, values.size + 7, bins.size + 2)
    q25, median, q75 = (number_or_nan(value) for value in item["quartiles"])
    low, high, wide = number(item["minimum"]), number(item["maximum"]), item.get("wide")
    if wide is not None:
        wide = np.array([whole(count) for count in wide], np.int64)
        same(wide.size, wide_edges(low, high).size + 1)
    return NumericFeature(
        name, position, edges, counts, bins,
        tuple(whole(cell) for cell in item["atoms"]),
        np.array([number_or_nan(value) for value in item["sums"]]),
        low, high,
        number_or_nan(item["mean"]), number_or_nan(item["sd"]),
        (q25, median, q75), number(item["ks_error"]), number(item["ks_error_bound"]),
        deff, text(item.get("leaves", "")), by_slot, text(item.get("unit", "")), wide,
        by_segment,
    )  # fmt: skip
