"""The processes of one launch that serve models: who they are, what they share, who leads.

Everything about files, membership and election is here; others publish, read, and ask who leads.
"""

from __future__ import annotations

from tidegauge.group.group import Group, current
from tidegauge.group.members import Record

__all__ = ["Group", "Record", "current"]
