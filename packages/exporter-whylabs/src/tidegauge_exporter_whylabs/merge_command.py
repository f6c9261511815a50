"""``tidegauge profiles merge``: the profiles of workers, hosts and hours as one."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC
from pathlib import Path
from typing import Any

from tidegauge.command import Command, CommandError, Terminal

from tidegauge_exporter_whylabs import naming, requirement, sketches
from tidegauge_exporter_whylabs.local import make, put
from tidegauge_exporter_whylabs.naming import SUFFIX, slug
from tidegauge_exporter_whylabs.reading import view_of

_FOLDER = "merged"


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR", help=f"the folder with the profiles ({SUFFIX})")
    parser.add_argument(
        "-o", "--output", metavar="FILE",
        help=f"the file to write, where DIR is of one model and version (default: a file of each, "
             f"in DIR/{_FOLDER})",
    )  # fmt: skip
    parser.add_argument("--model", default="", help="only the profiles of this model")
    parser.add_argument("--version", default="", help="only those of this version of it")
    parser.add_argument(
        "--by-interval", action="store_true",
        help="merge the profiles of workers and hosts, and keep those of each interval apart",
    )  # fmt: skip


Of = tuple[str, str, str]


def _run(arguments: Namespace, terminal: Terminal) -> int:
    if message := requirement.missing("this command"):
        raise CommandError(message)
    folder = Path(arguments.folder)
    paths = sorted(path for path in folder.glob(f"*{SUFFIX}") if path.is_file())
    if not paths:
        raise CommandError(
            f"{folder}: got no {SUFFIX} file from the folder; expected whylogs profiles. Name the "
            "folder of TIDEGAUGE_WHYLABS_DIR."
        )
    if arguments.output and Path(arguments.output).resolve().parent == folder.resolve():
        raise CommandError(
            f"-o: got {arguments.output!r} from the argument; expected a file in another folder: "
            "the next merge would count its rows twice. Name another one."
        )
    merged, rows, number = _merged(paths, arguments, terminal)
    if not merged:
        raise CommandError(
            f"{folder}: got {len(paths)} profiles of other models from the folder; expected some "
            f"of {arguments.model} {arguments.version}. Correct --model and --version."
        )
    if arguments.output and len(merged) > 1:
        found = ", ".join(sorted({" ".join(filter(None, of)) for of in merged})[:10])
        raise CommandError(
            f"{folder}: got profiles of {found}; expected one model and version for -o. Choose "
            "with --model and --version, or leave out -o."
        )
    for of, view in merged.items():
        target = Path(arguments.output) if arguments.output else folder / _FOLDER / _name(of)
        _write(target, view, rows[of])
        counted = [column.get_metric("counts") for column in view.get_columns().values()]
        most = max((int(each.n.value) for each in counted if each is not None), default=0)
        terminal.print(f"{target}: {number[of]} profiles, {most:,} rows")
    return 0


def _merged(
    paths: Iterable[Path], arguments: Namespace, terminal: Terminal
) -> tuple[dict[Of, Any], dict[Of, int], dict[Of, int]]:
    merged: dict[Of, Any] = {}
    rows: dict[Of, int] = defaultdict(int)
    number: dict[Of, int] = defaultdict(int)
    found = list(paths)
    for path in terminal.track(found, "merging profiles", len(found)):
        try:
            view = view_of(path)
        except ValueError as error:
            raise CommandError(str(error)) from error
        model, version = (view.metadata.get(key, "") for key in (naming.MODEL, naming.VERSION))
        if (arguments.model or model, arguments.version or version) != (model, version):
            continue
        start = view.dataset_timestamp.astimezone(UTC).strftime(naming.TIME)
        of = (model, version, start if arguments.by_interval else "")
        offered = str(view.metadata.get(naming.ROWS_OFFERED, ""))
        rows[of] += int(offered) if offered.isdecimal() else 0
        number[of] += 1
        merged[of] = sketches.merge([merged[of], view] if of in merged else [view])
    return merged, rows, number


def _name(of: Of) -> str:
    return "_".join(slug(part) for part in of if part) + SUFFIX if any(of) else f"all{SUFFIX}"


def _write(target: Path, view: Any, rows: int) -> None:
    # Of one of those that were merged, which it no longer is.
    view.metadata.pop(naming.PROFILE_ID, None)
    if rows:
        view.metadata[naming.ROWS_OFFERED] = str(rows)
    try:
        make(target.parent)
        put(target.with_name(f".{target.name}"), target, sketches.write(view))
    except OSError as error:
        raise CommandError(
            f"{target}: got {error.strerror!r} from the file system; expected a file that can be "
            "written. Choose another place with -o."
        ) from error


MERGE = Command(
    summary="Merge the whylogs profiles of a folder: those of workers, hosts and hours.",
    example="tidegauge profiles merge profiles --model fraud --version 3 -o fraud.bin",
    arguments=_arguments,
    run=_run,
)
