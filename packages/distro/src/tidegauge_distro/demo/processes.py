"""The demo's child processes: each is stopped by its own id on every way out."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import NoReturn, Self

from tidegauge.command import CommandError

from tidegauge_distro.demo.loopback import get

_STOP_S = 5.0
_LAST_LINES = 15
_POLL_S = 0.1
_ANSWER_S = 2.0
_SIGNALS = 128


def free_port() -> int:
    """Return a port of the loopback that nobody has right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def instrumented(words: Sequence[str]) -> list[str]:
    """Return the command line that runs a Python module under ``opentelemetry-instrument``."""
    script = Path(sysconfig.get_path("scripts")) / "opentelemetry-instrument"
    return [str(script), sys.executable, "-m", *words]


class Child:
    """A child process with its output in a file; a context manager that stops it."""

    def __init__(
        self, name: str, words: Sequence[str], folder: Path, environ: Mapping[str, str]
    ) -> None:
        self.name = name
        #: How long the child may take to end by itself.
        self.stop_s = _STOP_S
        self._log = folder / f"{name}.log"
        with self._log.open("wb") as log:
            # A session of its own: Ctrl-C reaches the demo only, which then stops the child.
            self._process = subprocess.Popen(  # noqa: S603 - our own command lines, no shell
                words,
                cwd=folder,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(self.stop_s)
        except subprocess.TimeoutExpired:
            pass
        finally:  # a second Ctrl-C ends up here too
            self._process.kill()
            self._process.wait(_STOP_S)

    def answers(self, url: str, timeout_s: float) -> None:
        """Wait until a URL of the child answers.

        Raises
        ------
        CommandError
            The child ended or took too long; the message has its last lines.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            self.check()
            with contextlib.suppress(OSError):
                get(url, _ANSWER_S)
                return
            time.sleep(_POLL_S)
        raise CommandError(f"{self.name} did not answer in {timeout_s:.0f} s.{self._last_lines()}")

    def check(self) -> None:
        """Raise where the child has ended."""
        status = self._process.poll()
        if status is not None:
            raise CommandError(f"{self.name} ended with status {status}.{self._last_lines()}")

    def _last_lines(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
        return " It last wrote:\n" + "\n".join(lines) if lines else ""


@contextlib.contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the demo through its ``finally`` blocks, as Ctrl-C does."""

    def leave(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - the signature of handlers
        raise SystemExit(_SIGNALS + number)

    found = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, leave) for number in found}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
