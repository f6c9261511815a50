"""One real program: started, waited for, and stopped by its process id whatever happens."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

T = TypeVar("T")

_TAIL_LINES = 60
_POLL_S = 0.05
_STOP_S = 15.0


class BackendError(AssertionError):
    """A program did not do what was waited for; the message has the end of its output."""


def wait_until(
    ask: Callable[[], T | None], what: str, timeout_s: float, poll_s: float = _POLL_S
) -> T:
    """Return the first answer that is neither None nor False.

    Raises
    ------
    BackendError
        There is none before the deadline.
    """
    deadline = time.monotonic() + timeout_s
    pause = threading.Event()
    while True:
        answer = ask()
        if answer is not None and answer is not False:
            return answer
        if time.monotonic() >= deadline:
            raise BackendError(f"waited {timeout_s:g} s for {what}; it did not come")
        pause.wait(poll_s)


class Process:
    """A program in the foreground, with its output in a file.

    Use it as a context manager: leaving it stops the program and what it started.
    """

    name = "process"

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        *,
        environment: Mapping[str, str] | None = None,
        name: str | None = None,
    ) -> None:
        self.name = name or self.name
        self.command = list(command)
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / f"{self.name}.log"
        self._environment = None if environment is None else dict(environment)
        self._running: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.stop()
        if error is not None:
            error.add_note(self.described())

    def start(self) -> None:
        """Start the program and wait until it is ready."""
        with self.log.open("ab") as log:
            # A session of its own: what it starts can be stopped with it.
            self._running = subprocess.Popen(  # noqa: S603 - a test's own command
                self.command,
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until the program can be used; a program without more to say is ready at once."""

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit status, None while the program runs; negative is a signal's number."""
        return self._process.poll()

    def output(self) -> str:
        """Return all that the program has written."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def described(self) -> str:
        """Return the command, how it ended and the end of its output, for a failure's message."""
        tail = "\n".join(self.output().splitlines()[-_TAIL_LINES:])
        status = "not started" if self._running is None else f"exit status {self.returncode}"
        return f"--- {self.name} ({status}): {' '.join(self.command)}\n{tail}"

    def wait_for(self, ask: Callable[[], T | None], what: str, timeout_s: float) -> T:
        """Wait for something of the program; fail at once when the program ends."""

        def ask_the_living() -> T | None:
            if self.returncode is not None:
                raise BackendError(f"{self.name} ended before {what}\n{self.described()}")
            return ask()

        try:
            return wait_until(ask_the_living, what, timeout_s)
        except BackendError as error:
            error.add_note(self.described())
            raise

    def signal(self, number: int) -> None:
        """Send a signal to the program itself, not to what it started."""
        self._process.send_signal(number)

    def wait_exit(self, timeout_s: float) -> int:
        """Return the exit status.

        Raises
        ------
        BackendError
            The program still runs at the deadline.
        """
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise BackendError(
                f"{self.name} still runs after {timeout_s:g} s\n{self.described()}"
            ) from error

    def terminate(self, timeout_s: float = _STOP_S) -> int:
        """Send SIGTERM and return the exit status."""
        self.signal(signal.SIGTERM)
        return self.wait_exit(timeout_s)

    def stop(self) -> None:
        """Stop the program and whatever it started; a second call does nothing."""
        running = self._running
        if running is None:
            return
        if running.poll() is None:
            running.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.wait(_STOP_S)
        # Its session, where it is the leader: nothing of it may outlive the test.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()

    @property
    def _process(self) -> subprocess.Popen[bytes]:
        if self._running is None:
            raise BackendError(f"{self.name} is not started")
        return self._running
