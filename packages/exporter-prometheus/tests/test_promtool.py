"""Prometheus' own tools accept what is served."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from tidegauge_exporter_prometheus.exposition import TEXT, encode

if TYPE_CHECKING:
    from prometheus_client import Metric as Family


def check(text: bytes) -> tuple[int, str]:
    """Run promtool's check; 1 is a parse error, 3 a matter of style."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.fail("promtool is not installed: apt-get install prometheus")
    found = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, timeout=60, check=False
    )
    return found.returncode, (found.stdout + found.stderr).decode()


@pytest.mark.backends
def test_promtool_accepts_the_suite(build: Any) -> None:
    """Every metric parses, is documented and well named, but for two names of OpenTelemetry's."""
    shown: list[Family] = build.families([build.suite(features=3)])
    status, said = check(encode(shown, TEXT))
    assert [line.split()[0] for line in said.splitlines()] == [
        "process_thread_count",
        "process_unix_file_descriptor_count",
    ], said
    assert status == 3
    others = [family for family in shown if family.name not in said]
    assert check(encode(others, TEXT)) == (0, "")


@pytest.mark.backends
def test_promtool_accepts_awkward_labels(build: Any) -> None:
    """Every character below U+0100, and some above, goes through the real parser."""
    texts = [chr(number) for number in range(256)] + ["\ud800", "\u2028", "\ufeff", "😀", 'a"\\\n']
    points = [build.point(1, {"k": f"{number} {text}"}) for number, text in enumerate(texts)]
    shown = build.families([build.data(build.scope(build.gauge("g", *points)))])
    assert check(encode(shown, TEXT)) == (0, "")
