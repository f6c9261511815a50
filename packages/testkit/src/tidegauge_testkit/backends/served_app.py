"""A web app in a process of its own, as its users start it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegauge_testkit.backends import web
from tidegauge_testkit.backends.ports import LOOPBACK
from tidegauge_testkit.backends.process import Process

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_READY_S = 180.0


class ServedApp(Process):
    """A command that serves HTTP on a port of loopback, with exactly the environment given.

    Parameters
    ----------
    folder
        Where it runs and where its log goes.
    command
        The whole command line.
    port
        Where it answers once it is ready.
    environment
        All of its environment.
    ready_path
        A path that is answered, with whatever status, when the app serves.
    """

    name = "app"

    def __init__(
        self,
        folder: Path,
        command: Sequence[str],
        port: int,
        environment: Mapping[str, str],
        ready_path: str = "/",
    ) -> None:
        self.port = port
        self.url = f"http://{LOOPBACK}:{port}"
        self._ready = self.url + ready_path
        super().__init__(command, folder, environment=environment)

    def wait_ready(self) -> None:
        """Wait until HTTP is answered."""
        self.wait_for(lambda: web.answers_anything(self._ready), f"{self._ready} answers", _READY_S)
