"""What all tests share: no deadlines, since machines are shared, and no files left in them."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")


def pytest_collection_finish() -> None:
    """Let no collection of a test look at what the tests' libraries keep for ever: 0.1 s each."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _state_of_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let services that tests start leave their status in a folder of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIDEGAUGE_STATE_DIR", str(tmp_path_factory.mktemp("state")))
        yield
