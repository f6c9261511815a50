"""No setting of whoever runs the tests is in force in them."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("DD_"):
            monkeypatch.delenv(name)
