"""Settings of the core, read once when the first model is seen or ``configure()`` runs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tidegauge.info import Role
from tidegauge.settings import setting


def _roles(text: str) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for part in text.split(","):
        model, _, role = (each.strip() for each in part.rpartition("="))
        if role not in tuple(Role) or model in found or ("=" in part and not model):
            raise ValueError(text)
        found[model] = role
    return tuple(found.items())


def _names(text: str) -> str:
    named(text)
    return text


def named(text: str) -> dict[str, str]:
    """Return the names of ``file=name`` pairs; that of all others has an empty key.

    Raises
    ------
    ValueError
        A file or a name is missing, or a file has two.
    """
    if "=" not in text:
        return {"": text.strip()}
    found: dict[str, str] = {}
    for part in text.split(","):
        file, pair, name = (each.strip() for each in part.rpartition("="))
        if not name or file in found or (pair and not file):
            raise ValueError(text)
        found[file] = name
    return found


# What RFC 9110 allows in a header's name.
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NONE = "none"


def _header(text: str) -> str:
    if not _HEADER.fullmatch(text):
        raise ValueError(text)
    return "" if text.lower() == _NONE else text.lower()


@dataclass(frozen=True, slots=True)
class CoreSettings:
    """One row a setting."""

    model_name: str = setting(
        "TIDEGAUGE_MODEL_NAME",
        "",
        "Name of the served model, for models that carry no name of their own; or of several by "
        "the files that they are loaded from: fraud_v3.joblib=fraud,churn.onnx=churn.",
        parse=_names,
        expected="a name, or <file>=<name> with commas between; a name without a file is for all "
        "others",
    )
    model_version: str = setting(
        "TIDEGAUGE_MODEL_VERSION",
        "",
        "Version of the served model, used like the name: 3, or fraud_v3.joblib=3.",
        parse=_names,
        expected="a version, or <file>=<version> with commas between; a version without a file is "
        "for all others",
    )
    model_role: tuple[tuple[str, str], ...] = setting(
        "TIDEGAUGE_MODEL_ROLE",
        (),
        "What the served model's answers are for: live, canary or shadow; or of several models "
        "fraud:4=canary,churn=shadow, the rest being live. A canary or shadow is compared with the "
        "live version of its name.",
        parse=_roles,
        expected="a role, or <model>=<role> and <model>:<version>=<role> with commas between; the "
        "roles are live, canary, shadow",
    )
    cpu_budget_percent: float = setting(
        "TIDEGAUGE_CPU_BUDGET_PERCENT",
        2.0,
        "Share of one core that the background work may use; above it, rows are thinned.",
        minimum=0.01,
        maximum=100,
    )
    buffer_bytes: int = setting(
        "TIDEGAUGE_BUFFER_BYTES",
        33_554_432,
        "Memory for rows that wait for the background thread, shared by all models; above it, "
        "calls are counted without their features.",
        minimum=65_536,
        maximum=2**40,
    )
    shutdown_timeout_s: float = setting(
        "TIDEGAUGE_SHUTDOWN_TIMEOUT_S",
        2.0,
        "Longest time that the last flush may take when the process ends.",
        minimum=0.0,
        maximum=60,
    )
    group_dir: str = setting(
        "TIDEGAUGE_GROUP_DIR",
        "",
        "Folder in which the workers of a launch share their counts, for each launch a folder of "
        "its own. By default one in the folder of temporary files.",
    )
    request_id_header: str = setting(
        "TIDEGAUGE_REQUEST_ID_HEADER",
        "x-request-id",
        "Header of web requests whose value leads from a slow call to the access log; none: no "
        "header is read.",
        parse=_header,
        expected="the name of a header, or none",
    )
    state_dir: str = setting(
        "TIDEGAUGE_STATE_DIR",
        "",
        "Folder in which a service leaves what people and later processes read, such as the status "
        "that `tidegauge explain` shows; none: nothing is left. By default tidegauge-<uid>/state "
        "in the folder of temporary files.",
        expected="a folder that can be written, or none",
    )
