"""Columns out of frames and arrays: what kind each is, and why some take no part."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tidegauge_drift.columns import read

class Stubborn:
    """A number that will not become one."""

    def __float__(self) -> float:
        """Fail."""
        raise ValueError


def _objects(*values: Any) -> pd.DataFrame:
    return pd.DataFrame({"a": pd.Series(list(values), dtype=object)})


