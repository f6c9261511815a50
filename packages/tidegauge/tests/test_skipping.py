"""Which calls ask for something else than predictions."""

from __future__ import annotations

from typing import Any

import pytest
from tidegauge.skipping import asks_for

skip = asks_for("margin", leaves=2)


@pytest.mark.parametrize(
    ("args", "kwargs", "expected"),
    [
        (("rows",), {}, False),
        (("rows",), {"margin": True}, True),
        (("rows",), {"margin": False, "other": True}, False),
        (("rows", True), {}, False),  # what stands there differs from method to method
        (("rows", True, True), {}, True),
        (("rows", True, False), {}, False),
        (("rows",), {"leaves": 1}, True),
        ((), {"data": "rows", "leaves": None}, False),
    ],
)
def test_flags_by_name_and_by_position(
    args: tuple[Any, ...], kwargs: dict[str, Any], expected: bool
) -> None:
    """A flag counts where it is true, wherever it may stand."""
    assert expected == skip(args, kwargs)
