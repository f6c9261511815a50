"""What the tests of one integration share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from tidegauge_testkit.contracts.scenario import Scenario
from tidegauge_testkit.recording import Recording

#: Rows of a call that is not about its size.
ROWS = 7


class Boom(Exception):  # noqa: N818 - it is not an error that anybody handles
    """A fault of ours, injected."""


def boom(*_: object, **__: object) -> Any:
    """Fail as our own code might."""
    raise Boom


class Case:
    """An instrumented library and a pipeline of its own for each test."""

    scenario: ClassVar[Scenario]

    @pytest.fixture(autouse=True)
    def _instrumented(self) -> Iterator[None]:
        instrumentor = self.scenario.instrumentor()
        instrumentor.instrument(skip_dep_check=True)
        try:
            yield
        finally:
            instrumentor.uninstrument()

    @pytest.fixture
    def recording(self) -> Iterator[Recording]:
        """Return a pipeline of this test alone."""
        with Recording() as recording:
            yield recording

    @pytest.fixture
    def model(self) -> Any:
        """Return a model that can predict."""
        return self.scenario.fit()

    def ask(self, model: Any, rows: int = ROWS) -> Any:
        """Predict once."""
        return self.scenario.predict(model, self.scenario.data(rows))

    def patched(self) -> Any:
        """Return the function that stands where the library's was."""
        owner, name = self.scenario.owner()
        return vars(owner)[name]
