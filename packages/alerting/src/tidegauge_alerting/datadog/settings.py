"""The keys with which Datadog's API may be changed; where it is, the exporter's settings say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tidegauge.settings import HIDDEN, SettingError, load, setting
from tidegauge_exporter_datadog import http_api
from tidegauge_exporter_datadog.settings import DatadogSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEY = "letters and digits without blanks"


@dataclass(frozen=True, slots=True)
class DatadogKeys:
    """The settings of what changes monitors and dashboards in Datadog."""

    app_key: str = setting(
        "DD_APP_KEY",
        "",
        "Application key of Datadog, with which `tidegauge rules apply datadog` changes monitors. "
        "Metrics need none.",
        parse=http_api.parse_key,
        expected=_KEY,
        secret=True,
    )
    app_key_file: str = setting(
        "DD_APP_KEY_FILE",
        "",
        "File that holds the application key, where DD_APP_KEY is not set.",
    )
    api_key_file: str = setting(
        "DD_API_KEY_FILE",
        "",
        "File that holds the API key for `tidegauge rules apply datadog`, where DD_API_KEY is not "
        "set.",
    )


@dataclass(frozen=True, slots=True)
class Access:
    """Where Datadog's API is, and the keys that let one in, which no text of this shows."""

    url: str
    headers: Mapping[str, str]
    timeout_s: float

    def __repr__(self) -> str:
        return f"Access(url={self.url!r})"

    def hide(self, text: str) -> str:
        """Return a text without the keys: a proxy may send back what it was sent."""
        for key in self.headers.values():
            text = text.replace(key, HIDDEN)
        return text


def read(environ: Mapping[str, str] | None = None) -> Access:
    """Read them from the environment and from the files that it names.

    Raises
    ------
    SettingError
        A setting is malformed, or there is no key.
    """
    there, keys = load(DatadogSettings, environ), load(DatadogKeys, environ)
    headers = {
        "DD-API-KEY": _key("DD_API_KEY", there.api_key, keys.api_key_file),
        "DD-APPLICATION-KEY": _key("DD_APP_KEY", keys.app_key, keys.app_key_file),
    }
    return Access(there.url or http_api.url_of(there.site), headers, there.timeout_s)


def _key(name: str, value: str, file: str) -> str:
    if value or not file:
        if not value:
            raise SettingError(
                f"{name}: got nothing; expected a key of Datadog. Set it, or {name}_FILE to a "
                "file that holds it."
            )
        return value
    try:
        return http_api.parse_key(Path(file).read_text(encoding="utf-8").strip())
    except OSError as error:
        reason = error.strerror or type(error).__name__
    except ValueError:
        reason = "what it holds is no key"
    raise SettingError(
        f"{name}_FILE: got {file!r} from the environment; expected a file that holds {_KEY} "
        f"({reason}). Correct the path or the file."
    )
