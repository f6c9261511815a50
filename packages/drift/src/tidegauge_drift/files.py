"""Reads the tables that references are built from: CSV (also compressed) and Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidegauge_drift.builder import Track, build
from tidegauge_drift.profile import ProfileError, ReferenceProfile

if TYPE_CHECKING:
    import os

_PARQUET = (".parquet", ".pq")
_CSV = (".csv", ".csv.gz", ".tsv", ".tsv.gz")


def read_table(path: str | os.PathLike[str]) -> Any:
    """Read a file as a pandas DataFrame.

    Raises
    ------
    ProfileError
        The file is missing, of a kind that is not read here, or cannot be parsed, or pandas or
        pyarrow is not installed.
    """
    file = Path(path)
    name = file.name.lower()
    if not name.endswith(_PARQUET + _CSV):
        raise ProfileError(
            f"{file}: got a file of an unknown kind from the argument; expected one of "
            f"{', '.join(_CSV + _PARQUET)}. Convert it."
        )
    if not file.is_file():
        raise ProfileError(
            f"{file}: got no such file from the argument; expected a table. Correct the path."
        )
    try:
        import pandas as pd  # noqa: PLC0415 - an extra: serving does not need it

        if name.endswith(_PARQUET):
            return pd.read_parquet(file)
        return pd.read_csv(file, sep="\t" if ".tsv" in name else ",", low_memory=False)
    except ImportError as error:
        raise ProfileError(
            f"{file}: reading it needs pandas and pyarrow; expected both to be installed. "
            "pip install 'tidegauge-drift[files]'."
        ) from error
    except (ValueError, OSError, EOFError) as error:
        raise ProfileError(
            f"{file}: got {type(error).__name__} while reading the file; expected a complete table "
            "with a header line. Look at it with another program."
        ) from error


def build_file(
    path: str | os.PathLike[str],
    *,
    holdout: str | os.PathLike[str] | None = None,
    outputs: tuple[str, ...] = (),
    drop: tuple[str, ...] = (),
    include: tuple[str, ...] = (),
    exclude: tuple[str, ...] = (),
    built: str = "",
    hash_categories: bool = False,
    track: Track = iter,
) -> ReferenceProfile:
    """Build a reference profile from a CSV or Parquet file.

    Parameters
    ----------
    path : path
        The model's inputs.
    holdout : path, optional
        Rows that the model was not fitted on, with its outputs for them.
    outputs : names
        Columns of ``holdout`` that are outputs. They are no inputs where ``path`` has them too.
    drop, include, exclude, built, hash_categories, track
        As for ``build``.

    Raises
    ------
    ProfileError
        As ``read_table`` and ``build``; or outputs without rows held out.
    """
    if outputs and holdout is None:
        raise ProfileError(
            f"outputs: got {', '.join(outputs)} without a holdout from the argument; expected a "
            "file of rows that the model was not fitted on. Pass --holdout: outputs in sample "
            "would alarm for ever."
        )
    table = read_table(path)
    given = None
    if holdout is not None:
        held = read_table(holdout)
        missing = [name for name in outputs if name not in held.columns]
        if missing or not outputs:
            raise ProfileError(
                f"outputs: got {', '.join(missing) or 'none'} from the argument; expected columns "
                f"of {Path(holdout).name}. Name them with --outputs."
            )
        given = held[list(outputs)]
    also = tuple(name for name in outputs if name in table.columns and name not in drop)
    return build(
        table,
        outputs=given,
        drop=(*drop, *also),
        include=include,
        exclude=exclude,
        source=Path(path).name,
        built=built,
        hash_categories=hash_categories,
        track=track,
    )
