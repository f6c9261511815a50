"""How each launcher starts its processes, and which faults it has."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tidegauge_testkit.backends.binaries import find

WORKERS = 4
RECYCLED_AFTER = 50

ZERO_CODE, BY_HAND = "opentelemetry-instrument", "configure()"
STARTS = (ZERO_CODE, BY_HAND)

#: gunicorn writes its first process here, and the one of an upgrade beside it.
PID_FILE = "launch.pid"
#: gunicorn reads it in the folder that it runs in.
SETTINGS_FILE = "gunicorn.conf.py"

_PORT, _APPS = "{port}", "{apps}"


@dataclass(frozen=True, slots=True)
class Launcher:
    """A program that serves an app with several processes.

    ``{port}``, ``{apps}`` and ``{app}`` in its words become the port, the folder of the apps and
    the module of the app.

    Parameters
    ----------
    name
        As the table shows it.
    words
        Its command line.
    module
        The app's module; ``by_hand_<module>`` is the same app after ``configure()``.
    environment
        What it needs besides, when it is started by ``opentelemetry-instrument``.
    recycling
        The words that make it replace a worker after some requests; without them it cannot.
    settings
        What makes it do so when it stands in ``SETTINGS_FILE``, which is read at SIGHUP.
    reloads
        Whether it replaces its workers at SIGHUP.
    upgrades
        Whether it starts a second launch at SIGUSR2.
    outlived
        Whether its workers go on without the process that started them.
    preloads
        Whether the first process loads the app, or the workers do.
    ends_itself
        Whether SIGTERM of the first process ends them all; else it has to go to each, as systemd
        sends it.
    """

    name: str
    words: tuple[str, ...]
    module: str
    environment: Mapping[str, str] = field(default_factory=dict)
    recycling: tuple[str, ...] = ()
    settings: str = ""
    reloads: bool = False
    upgrades: bool = False
    outlived: bool = False
    preloads: bool = False
    ends_itself: bool = True

    def command(self, started: str, apps: Path, port: int, *, recycle: bool = False) -> list[str]:
        """Return the whole command line."""
        module = self.module if started == ZERO_CODE else f"by_hand_{self.module}"
        words = [*self.words, *(self.recycling if recycle else ())]
        program, *rest = (
            word.format(port=port, apps=apps, app=module, limit=RECYCLED_AFTER) for word in words
        )
        program = sys.executable if program == "python" else find(program)
        instrument = [find("opentelemetry-instrument")] if started == ZERO_CODE else []
        return [*instrument, program, *rest]

    def listener_is_a_worker(self, started: str) -> bool:
        """Whether only the workers set themselves up, so that one of them listens."""
        return started == BY_HAND and not self.preloads

    def environment_of(self, started: str) -> Mapping[str, str]:
        """Return what it needs in its environment."""
        return self.environment if started == ZERO_CODE else {}


def _gunicorn(name: str, module: str, *words: str, **more: object) -> Launcher:
    return Launcher(
        name,
        (
            "gunicorn", "-w", str(WORKERS), "-b", f"127.0.0.1:{_PORT}", "--pythonpath", _APPS,
            "--graceful-timeout", "15", "--pid", PID_FILE, *words, "{app}:app",
        ),
        module,
        settings=f"max_requests = {RECYCLED_AFTER}\n",
        reloads=True,
        upgrades=True,
        **more,  # type: ignore[arg-type]
    )  # fmt: skip


def _pool(method: str) -> Launcher:
    return Launcher(
        f"multiprocessing {method}",
        ("python", f"{_APPS}/{{app}}.py", method, _PORT, str(WORKERS)),
        "pool",
        outlived=True,
        preloads=True,
    )


GTHREAD = _gunicorn("gunicorn gthread", "wsgi", "-k", "gthread", "--threads", "2")
PRELOAD = _gunicorn("gunicorn --preload", "wsgi", "--preload", preloads=True)
UVICORN = Launcher(
    "uvicorn --workers",
    (
        "uvicorn", "--workers", str(WORKERS), "--port", _PORT, "--app-dir", _APPS,
        # At SIGHUP it gives up when a new worker takes longer than this to import its app (5).
        "--timeout-worker-healthcheck", "120",
        "--log-level", "warning", "{app}:app",
    ),
    "asgi",
    # It waits as long for a worker that ends just as it is asked.
    recycling=("--limit-max-requests", "{limit}", "--timeout-worker-healthcheck", "5"),
    reloads=True,
    outlived=True,
)  # fmt: skip
SPAWN = _pool("spawn")

#: Those that every change runs against; all of them take too long for that.
USUAL = (GTHREAD, PRELOAD, UVICORN, SPAWN)
ALL = (
    _gunicorn("gunicorn sync", "wsgi"),
    GTHREAD,
    _gunicorn(
        "gunicorn gevent",
        "wsgi",
        "-k",
        "gevent",
        # Patched before OpenTelemetry makes its locks; gunicorn itself patches too late for that.
        environment={"OTEL_PYTHON_AUTO_INSTRUMENTATION_EXPERIMENTAL_GEVENT_PATCH": "patch_all"},
    ),
    _gunicorn("gunicorn uvicorn-worker", "asgi", "-k", "uvicorn_worker.UvicornWorker"),
    PRELOAD,
    UVICORN,
    _pool("fork"),
    SPAWN,
    _pool("forkserver"),
    Launcher(
        "LitServe",
        ("python", f"{_APPS}/{{app}}.py", _PORT, str(WORKERS)),
        "lit",
        preloads=True,
        ends_itself=False,
    ),
)
