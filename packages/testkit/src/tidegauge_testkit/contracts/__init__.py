"""What every package of a kind must keep, as test classes to derive from."""

from __future__ import annotations

import pytest

# Their assertions shall say as much as those of a test module.
pytest.register_assert_rewrite(
    *(
        f"{__name__}.{module}"
        for module in (
            "boosters",
            "context",
            "inputs",
            "lifecycle",
            "presence",
            "tracing",
            "transparency",
        )
    )
)
