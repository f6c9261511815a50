"""What profiles, their files and their columns are called: pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b

from tidegauge.batch import ModelKey

SUFFIX = ".bin"
#: WhyLabs takes a column for an output of the model where its name says so.
OUTPUT = "output"

# Keys of a profile's metadata.
MODEL, VERSION = "tidegauge.model", "tidegauge.version"
#: Rows that came, of which the profile has all or a sample.
ROWS_OFFERED = "tidegauge.rows_offered"
#: Whether categories are hashes of what they were.
HASHED = "tidegauge.hashed"
#: The key that WhyLabs itself shows: by it a repeat is recognised.
PROFILE_ID = "whylabs.traceId"

_UNVERSIONED = "unversioned"
#: A time in the name of a file.
TIME = "%Y%m%dT%H%M%SZ"
_STEM = re.compile(r"(?P<model>.+)_(?P<version>[^_]+)_(?P<time>\d{8}T\d{6}Z)_(?P<worker>[^_]+)")
_LONGEST = 80


@dataclass(frozen=True, slots=True)
class ProfileId:
    """One profile: of a model and version, from a time on, by one process, its so manyth.

    The text of it names the file, and nothing else has it: model, version and worker as file
    names, the time in UTC.
    """

    model: str
    version: str
    start_s: int
    worker: str

    @classmethod
    def of(cls, key: ModelKey, start_s: int, worker: str, number: int) -> ProfileId:
        """Return the id of a worker's profile."""
        version = slug(key.version, "_") if key.version else _UNVERSIONED
        return cls(slug(key.name), version, start_s, f"{worker}-{number}")

    @classmethod
    def parse(cls, text: str) -> ProfileId | None:
        """Return the id that a file's name says; None where it is of something else."""
        found = _STEM.fullmatch(text.removesuffix(SUFFIX))
        if found is None:
            return None
        start = datetime.strptime(found["time"], TIME).replace(tzinfo=UTC)
        return cls(found["model"], found["version"], int(start.timestamp()), found["worker"])

    def __str__(self) -> str:
        time = datetime.fromtimestamp(self.start_s, UTC).strftime(TIME)
        return f"{self.model}_{self.version}_{time}_{self.worker}"


def slug(text: str, without: str = "") -> str:
    """Return a text as it can stand in a file's name anywhere; two texts stay two.

    What is changed gets a hash of what it was: ``Pipeline[SVC]`` is ``Pipeline-SVC-.5f1c2a90``.
    """
    plain = re.sub(r"[^A-Za-z0-9._-]", "-", text)[:_LONGEST].lstrip(".")
    plain = plain.replace(without, "-") if without else plain
    if plain and plain == text:
        return text
    return f"{plain}.{blake2b(text.encode(errors='replace'), digest_size=4).hexdigest()}"


def output_column(name: str) -> str:
    """Return the column of an output; a model's only one often has no name."""
    return f"{OUTPUT}_{name}" if name else OUTPUT


def interval_start(at_s: float, interval_s: int) -> int:
    """Return when the interval of a time began: a multiple of its length in UTC."""
    return int(at_s // interval_s) * interval_s
