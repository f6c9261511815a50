"""The way into a group: where launches have their folders, and what is said if there is none."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tidegauge.group import folder as folders
from tidegauge.group.folder import FolderError, Layout
from tidegauge.group.launch import Launch
from tidegauge.guard import once
from tidegauge.runtime import read_settings, shared
from tidegauge.settings import environment


class Entrance:
    """The folder in which each launch has its own.

    Parameters
    ----------
    given
        The folder; None: the one of the settings, or else one of our choice.
    """

    def __init__(self, given: Path | None) -> None:
        self._given = given

    @property
    def given(self) -> bool:
        """Whether the folder is no setting, so that children of this process do not know it."""
        return self._given is not None

    @property
    def base(self) -> Path:
        """The folder."""
        if self._given is not None:
            return self._given
        # Not gettempdir(): where that finds no place to write, it ends up in the working folder.
        parent = environment().get("TMPDIR") or "/tmp"  # noqa: S108 - a folder of our own in it
        return Path(self._setting or f"{parent}/tidegauge-{os.geteuid()}")

    @property
    def _setting(self) -> str:
        read_settings()  # a process that is only asked has not done so yet
        return shared.settings.group_dir

    @property
    def _private(self) -> bool:
        """Whether the folder is the one of our choice, in a place where anybody can write."""
        return not (self._given or self._setting)

    def find(self, launch: Launch) -> Layout | None:
        """Return the folder of a launch if it is there; raises ``FolderError`` if another's is."""
        return folders.find(self.base, launch, private=self._private)

    def make(self, launch: Launch) -> Layout:
        """Make or find the folder of a launch; raises ``FolderError`` and ``OSError``."""
        return folders.make(self.base, launch, private=self._private)

    def sweep(self, launch: Launch) -> None:
        """Remove the folders of launches that are over."""
        with suppress(OSError):
            folders.sweep(self.base, launch)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Say why a process does not join, and go on."""
        try:
            yield
        except FolderError as error:
            once(
                "group.refused",
                "The workers of this launch cannot be counted together: %s. Each is counted alone. "
                "Remove it, or set TIDEGAUGE_GROUP_DIR to a folder of your own.",
                error,
                level=logging.ERROR,
            )
        except OSError as error:
            once(
                "group.unwritable",
                "The workers of this launch cannot be counted together: %s in %s. Each is counted "
                "alone. Set TIDEGAUGE_GROUP_DIR to a folder that can be written.",
                error.strerror,
                self.base,
            )

    def unwritten(self, name: str, error: OSError) -> None:
        """Say that a record could not be written."""
        once(
            f"group.unwritten.{error.errno}",
            "Record %r of the group could not be written: %s in %s. Counting goes on, and it is "
            "tried again each second. Make room there, or set TIDEGAUGE_GROUP_DIR to another "
            "folder.",
            name,
            error.strerror,
            self.base,
            level=logging.ERROR,
        )
