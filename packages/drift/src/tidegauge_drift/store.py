"""A reference profile as a file: versioned, checksummed JSON."""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tidegauge_drift.correlation import Correlation
from tidegauge_drift.grid import Edges, Grid
from tidegauge_drift.leaves import pack_numbers, unpack_numbers
from tidegauge_drift.profile import (
    FORMAT,
    OLDEST,
    CategoricalFeature,
    Feature,
    LeftOut,
    NumericFeature,
    ProfileError,
    ReferenceProfile,
    Segments,
)
from tidegauge_drift.wide import wide_edges

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_BUILD = "Build it with 'tidegauge reference build'."
_AGAIN = "Build it again with 'tidegauge reference build'."


def checksum(profile: ReferenceProfile) -> str:
    """Return the SHA-256 of a profile's canonical form; 8 digits of it name the reference."""
    return _checksum(profile.format, to_dict(profile))


def save(profile: ReferenceProfile, path: str | os.PathLike[str]) -> None:
    """Write a profile to a file, whole or not at all.

    Raises
    ------
    ProfileError
        The file cannot be written.
    """
    content = dumps(profile)
    target = Path(path)
    name = ""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)  # a temporary file is private, a reference is read by the service
        Path(name).replace(target)
    except OSError as error:
        if name:
            Path(name).unlink(missing_ok=True)
        raise ProfileError(
            f"{target}: got {error.strerror!r} from the file system; expected a file that can be "
            "written. Choose another place with -o."
        ) from error


def dumps(profile: ReferenceProfile) -> bytes:
    """Return the content of a profile's file."""
    content = to_dict(profile)
    found = _checksum(profile.format, content)
    document = {"format": profile.format, "checksum": found, "profile": content}
    return json.dumps(document, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def load(path: str | os.PathLike[str]) -> ReferenceProfile:
    """Read a profile from a file.

    Raises
    ------
    ProfileError
        The file is missing, unreadable, truncated, changed by hand, of a newer version or no
        profile at all.
    """
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise _error(path, "no such file", "a reference profile", _BUILD) from error
    except IsADirectoryError as error:
        raise _error(path, "a directory", "a reference profile", "Name the file in it.") from error
    except OSError as error:
        raise _error(path, str(error.strerror), "a readable file", "Correct its access.") from error
    return loads(content, path)


def loads(content: bytes, path: str | os.PathLike[str] = "profile") -> ReferenceProfile:
    """Read a profile from the bytes of a file; ``path`` is only named in errors."""
    if not content.strip():
        raise _error(path, "an empty file", "a reference profile", _BUILD)
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _error(path, "no complete JSON", "a reference profile", _AGAIN) from error
    if not isinstance(document, dict) or not {"format", "profile"} <= document.keys():
        raise _error(path, "JSON of something else", "a reference profile", _BUILD)
    version = document["format"]
    if isinstance(version, int) and version > FORMAT:
        raise _error(
            path, f"format {version}", f"format {FORMAT} or older", "Update tidegauge-drift."
        )
    if isinstance(version, bool) or not isinstance(version, int) or version < OLDEST:
        raise _error(path, "an unknown format", f"format {FORMAT}", _AGAIN)
    expected = _checksum(version, document["profile"])
    if not expected or document.get("checksum") != expected:
        raise _error(
            path, "a content that its checksum does not match", "a file as it was built", _AGAIN
        )
    try:
        return _profile(document["profile"], version)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise _error(path, "fields of no profile", "a file as it was built", _AGAIN) from error


def _error(path: str | os.PathLike[str], got: str, expected: str, advice: str) -> ProfileError:
    return ProfileError(
        f"{os.fspath(path)}: got {got} from the file; expected {expected}. {advice}"
    )


def _checksum(version: int, content: object) -> str:
    try:
        canonical = json.dumps(
            [version, content], sort_keys=True, separators=(",", ":"), allow_nan=False
        )
    except (ValueError, RecursionError):
        return ""
    return hashlib.sha256(canonical.encode()).hexdigest()


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
    names = tuple(_text(name) for name in item["names"])
    if not {f.name for f in features if isinstance(f, NumericFeature)}.issuperset(names):
        raise ValueError("names")
    found = Correlation(
        names,
        np.array([_integer(value) for value in item["sums"]], np.int64),
        np.array(unpack_numbers(_text(item["rows"])), np.int64),
        np.array([_number(value) for value in item["spreads"]], np.float64),
    )
    width = len(set(names))
    pairs = width * (width + 1) // 2
    _same(len(names), width)
    _same(found.sums.size - width, found.rows.size, found.spreads.size + width, pairs)
    return found


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _packed(parts: NDArray[np.int64]) -> str:
    return pack_numbers(parts.ravel().tolist())


def _parts(item: Mapping[str, Any], name: str, size: int) -> NDArray[np.int64] | None:
    if name not in item:
        return None
    return np.array(unpack_numbers(_text(item[name])), np.int64).reshape(-1, size)


def _hex(codes: NDArray[np.uint64]) -> str:
    return codes.astype("<u8").tobytes().hex()


def _codes(text: str) -> NDArray[np.uint64]:
    return np.frombuffer(bytes.fromhex(text), "<u8").astype(np.uint64)


def _profile(content: Mapping[str, Any], version: int) -> ReferenceProfile:
    features = tuple(_feature(item) for item in content["features"])
    if not features:
        raise ValueError("features")
    outputs = tuple(_feature(item) for item in content["outputs"])
    return ReferenceProfile(
        rows=_whole(content["rows"]),
        columns=_whole(content["columns"]),
        named=content["named"] is True,
        features=features,
        outputs=outputs,
        left_out=tuple(
            LeftOut(_text(name), _whole(position), _text(note))
            for name, position, note in content["left_out"]
        ),
        source=_text(content["source"]),
        built=_text(content["built"]),
        order=_text(content["order"]),
        deff=_number(content["deff"]),
        time_column=_text(content.get("time_column", "")),
        span=_span(content.get("span")),
        season=_text(content.get("season", "")),
        merged=_whole(content.get("merged", 0)),
        correlation=_correlation(content.get("correlation"), features),
        format=version,
        segments=_segments(content.get("segments"), (*features, *outputs)),
    )


def _segments(found: Any, features: tuple[Feature, ...]) -> Segments | None:
    parts = [f.by_segment for f in features if f.by_segment is not None]
    if found is None:
        _same(0, len(parts))
        return None
    texts = tuple(_text(each) for each in found["texts"])
    hashes = _codes(found["hashes"])
    _same(len(texts), hashes.size, *map(len, parts))
    return Segments(_text(found["name"]), _whole(found["position"]), texts, hashes)


def _span(found: Any) -> tuple[str, str] | None:
    if found is None:
        return None
    first, last = map(_text, found)
    return first, last


def _feature(item: Mapping[str, Any]) -> Feature:
    name, position = _text(item["name"]), _whole(item["position"])
    counts = np.array([_whole(count) for count in item["counts"]], np.int64)
    if counts.sum() <= 0:
        raise ValueError("counts")
    deff, by_slot = _number(item.get("deff", 1.0)), _parts(item, "by_slot", counts.size)
    by_segment = _parts(item, "by_segment", counts.size)
    if item["kind"] == "categorical":
        top = tuple(_text(category) for category in item["top"])
        hashes = _codes(item["top_hashes"])
        known, times = _codes(item["known"]), item.get("known_counts")
        known_counts = None if times is None else np.array(unpack_numbers(_text(times)), np.int64)
        _same(len(top), hashes.size, counts.size - 4)
        _same(known.size, known.size if known_counts is None else known_counts.size)
        return CategoricalFeature(
            name, position, top, hashes, known, counts,
            _whole(item["distinct"]), _whole(item["singletons"]), known_counts, deff, by_slot,
            by_segment,
        )  # fmt: skip
    if item["kind"] != "numeric":
        raise ValueError("kind")
    ticks = item["ticks"]
    values = np.array([_number(edge) for edge in item["edges"]], np.float64)
    edges = Edges(
        Grid(*(_number(value) for value in item["grid"])),
        values,
        None if ticks is None else np.array([_whole(tick) for tick in ticks], np.int64),
    )
    _same(values.size, values.size if edges.ticks is None else edges.ticks.size)
    bins = np.array([_whole(b) for b in item["bins"]], np.uint8)
    _same(counts.size, values.size + 7, bins.size + 2)
    q25, median, q75 = (_known(value) for value in item["quartiles"])
    low, high, wide = _number(item["minimum"]), _number(item["maximum"]), item.get("wide")
    if wide is not None:
        wide = np.array([_whole(count) for count in wide], np.int64)
        _same(wide.size, wide_edges(low, high).size + 1)
    return NumericFeature(
        name, position, edges, counts, bins,
        tuple(_whole(cell) for cell in item["atoms"]),
        np.array([_known(value) for value in item["sums"]]),
        low, high,
        _known(item["mean"]), _known(item["sd"]),
        (q25, median, q75), _number(item["ks_error"]), _number(item["ks_error_bound"]),
        deff, _text(item.get("leaves", "")), by_slot, _text(item.get("unit", "")), wide,
        by_segment,
    )  # fmt: skip


def _same(*sizes: int) -> None:
    if len(set(sizes)) > 1:
        raise ValueError("sizes")


def _whole(value: Any) -> int:
    if _integer(value) < 0:
        raise TypeError("integer")
    return int(value)


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("integer")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("number")
    return float(value)


def _known(value: Any) -> float:
    return math.nan if value is None else _number(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("text")
    return value
