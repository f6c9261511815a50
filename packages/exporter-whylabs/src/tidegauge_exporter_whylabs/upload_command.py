"""``tidegauge reference upload``: what is normal, where a WhyLabs platform compares with it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from tidegauge import clock
from tidegauge.answers import Outcome
from tidegauge.command import Command, CommandError, Terminal
from tidegauge.settings import SettingError

from tidegauge_exporter_whylabs import requirement, sketches, table_profile
from tidegauge_exporter_whylabs.api import ApiWriter
from tidegauge_exporter_whylabs.destination import platform
from tidegauge_exporter_whylabs.naming import SUFFIX, slug
from tidegauge_exporter_whylabs.reading import view_of
from tidegauge_exporter_whylabs.settings import WhylabsSettings, read

_WHYLABS = "whylabs"
_TIMEOUT_S = 60.0  # somebody waits who has asked for it


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("backend", choices=[_WHYLABS], help="where to")
    parser.add_argument(
        "file", help=f"a table ({', '.join(table_profile.SUFFIXES)}) or a profile ({SUFFIX})"
    )
    parser.add_argument("--name", default="", help="its name there (default: the file's)")
    parser.add_argument(
        "--model", default="", help="the model of TIDEGAUGE_WHYLABS_DATASETS (default: "
        "WHYLABS_DEFAULT_DATASET_ID)",
    )  # fmt: skip
    parser.add_argument(
        "--outputs", action="append", default=[], metavar="COL",
        help="a column that is an output of the model",
    )  # fmt: skip
    parser.add_argument(
        "--drop", action="append", default=[], metavar="COL",
        help="a column that the model does not get, such as the label",
    )  # fmt: skip


def _run(arguments: Namespace, terminal: Terminal) -> int:
    if message := requirement.missing("this command"):
        raise CommandError(message)
    path = Path(arguments.file)
    try:
        settings = read()
        to = platform(settings)
        dataset = to.dataset(slug(arguments.model)) if arguments.model else to.default
        _check(settings, dataset, arguments.model)
        content = _content(path, arguments, settings, terminal)
    except (SettingError, ValueError) as error:
        raise CommandError(str(error)) from error
    name = arguments.name or path.name.partition(".")[0]
    writer = ApiWriter(to, max(settings.timeout_s, _TIMEOUT_S))
    written = writer.write_reference(name, clock.system(), dataset, content)
    if written.outcome is not Outcome.DELIVERED:
        raise CommandError(
            f"{written.setting}: got {written.got} from {writer.where}; expected it to take a "
            f"reference profile. {written.advice}"
        )
    terminal.print(f"{name}: {len(content):,} bytes to {dataset} of {to.org} at {writer.where}")
    return 0


def _check(settings: WhylabsSettings, dataset: str, model: str) -> None:
    if not settings.org_id:
        raise ValueError(
            "WHYLABS_DEFAULT_ORG_ID: got nothing from the environment; expected the organisation "
            "that the reference is for. Set it to its id, such as org-1."
        )
    if not dataset:
        raise ValueError(
            f"TIDEGAUGE_WHYLABS_DATASETS: got no dataset of {model or 'a default'} from the "
            f"environment; expected one. Set it to {model or '<model>'}=<dataset>, or set "
            "WHYLABS_DEFAULT_DATASET_ID."
        )


def _content(
    path: Path, arguments: Namespace, settings: WhylabsSettings, terminal: Terminal
) -> bytes:
    if path.name.lower().endswith(SUFFIX):
        return sketches.write(view_of(path))
    if not path.name.lower().endswith(table_profile.SUFFIXES):
        raise ValueError(
            f"{path}: got a file of an unknown kind from the argument; expected one of "
            f"{', '.join((*table_profile.SUFFIXES, SUFFIX))}. Convert it."
        )
    return table_profile.profile(
        path,
        outputs=arguments.outputs,
        drop=arguments.drop,
        choice=settings,
        now_s=clock.system(),
        track=terminal.track,
    )


UPLOAD = Command(
    summary="Send a table or a whylogs profile to WhyLabs, as what is normal.",
    example="tidegauge reference upload whylabs train.parquet --outputs score --drop label",
    arguments=_arguments,
    run=_run,
)
