"""A reference profile as a file: versioned, checksummed JSON."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tidegauge_drift.plain import from_dict, to_dict
from tidegauge_drift.profile import FORMAT, OLDEST, ProfileError

if TYPE_CHECKING:
    from tidegauge_drift.profile import ReferenceProfile

#: The largest file that is read. Thousands of features with segments and hours take less.
LARGEST_BYTES = 2**28

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
    new = target.parent / f".{target.name}.{secrets.token_hex(8)}"
    try:
        # The service reads it, often as another user: who else may is the umask's to say.
        with new.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(target)
    except OSError as error:
        with suppress(OSError):
            new.unlink()
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
        found = Path(path).stat()
        if found.st_size > LARGEST_BYTES:  # a table, most likely: it may not fit into memory
            got = f"{found.st_size:,} bytes"
            raise _error(path, got, f"a profile of at most {LARGEST_BYTES:,}", _BUILD)
        if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):  # it may never end
            raise _error(path, "a pipe or device", "a reference profile", _BUILD)
        content = Path(path).read_bytes()
    except ProfileError:
        raise
    except FileNotFoundError as error:
        raise _error(path, "no such file", "a reference profile", _BUILD) from error
    except IsADirectoryError as error:
        raise _error(path, "a directory", "a reference profile", "Name the file in it.") from error
    except OSError as error:
        raise _error(path, str(error.strerror), "a readable file", "Correct its access.") from error
    except ValueError as error:
        raise _error(path, "a name that no file has", "a reference profile", _BUILD) from error
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
        return from_dict(document["profile"], version)
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
