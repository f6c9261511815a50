"""Off unless asked for; where it cannot work it says why in one message, and the rest goes on."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest
from tidegauge_exporter_whylabs import WhylabsProcessor, requirement
from tidegauge_exporter_whylabs.processor import _OFF
from tidegauge_testkit.batches import batch

Said = Callable[[int], list[str]]


def begin(processor: WhylabsProcessor) -> None:
    """Hand over rows, as the pipeline does."""
    processor.on_batch(batch(np.ones((1, 1))))


def test_it_is_found_by_its_entry_point() -> None:
    """As every processor."""
    (point,) = entry_points(group="tidegauge_processor", name="whylabs")
    assert WhylabsProcessor is point.load()


def test_nothing_is_made_unless_asked_for(said: Said) -> None:
    """No thread, no file, and no word; also where WhyLabs' own variables are set, even wrongly."""
    code = """
import sys, threading
import numpy as np
from tidegauge_exporter_whylabs import WhylabsProcessor
from tidegauge_testkit.batches import batch
processor = WhylabsProcessor()
for _ in range(10):
    processor.on_batch(batch(np.ones((1, 1))))
processor.on_tick(0.0)
processor.on_end(0.0, 1.0)
print(list(processor.points()), threading.active_count(), "whylogs" in sys.modules)
"""
    found = subprocess.run(
        [sys.executable, "-c", code], env={"WHYLABS_API_KEY": "wrong"}, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ("[] 1 False\n", "") == (found.stdout, found.stderr)


def test_a_missing_package_is_named_with_the_line_to_run(
    monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    """Once, and no row is taken."""
    monkeypatch.setitem(sys.modules, "whylogs", None)
    monkeypatch.setenv("TIDEGAUGE_WHYLABS_WRITER", "local")
    processor = WhylabsProcessor()
    begin(processor)
    message = requirement.missing("TIDEGAUGE_WHYLABS_WRITER=local")
    assert [f"{message}\n{_OFF}"] == said(logging.ERROR)
    assert (
        "TIDEGAUGE_WHYLABS_WRITER=local needs whylogs, which is not installed. "
        "pip install 'tidegauge-exporter-whylabs[whylogs]'"
    ) == requirement.missing("TIDEGAUGE_WHYLABS_WRITER=local", (3, 12))


def test_on_python_3_13_the_message_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """There are no wheels for it: what pip would do there takes minutes and a compiler."""
    monkeypatch.setitem(sys.modules, "whylogs", None)
    assert (
        "TIDEGAUGE_WHYLABS_WRITER=s3 needs whylogs, which has no wheels for Python 3.14; expected "
        "Python 3.11 or 3.12. Use one of them, or build it with a C++ compiler: "
        "pip install 'whylogs>=1.6.4,<2'"
    ) == requirement.missing("TIDEGAUGE_WHYLABS_WRITER=s3", (3, 14))


KEY = (
    "WHYLABS_API_KEY: got a secret value from the environment; expected 12 characters at least "
    "with a dot at the 11th, such as <id>.<secret>. Unset it to use the default."
)
NO_KEY = (
    "WHYLABS_API_KEY: got nothing from the environment; expected the key of a WhyLabs platform. "
    "Set it to one that the platform has made."
)
NO_ENDPOINT = (
    "WHYLABS_API_ENDPOINT: got nothing from the environment; expected the URL of your own WhyLabs "
    "platform: the hosted service is discontinued. Set it, or write profiles to a folder or a "
    "bucket."
)
NO_DATASET = (
    "WHYLABS_DEFAULT_DATASET_ID: got nothing from the environment; expected the dataset that "
    "profiles go to. Set it to its id, such as model-1."
)
NO_BUCKET = (
    "TIDEGAUGE_WHYLABS_WRITER: got 's3' without a bucket from the environment; expected "
    "TIDEGAUGE_WHYLABS_BUCKET. Set it to s3://bucket/prefix."
)
NO_FOLDER = (
    "TIDEGAUGE_WHYLABS_DIR: got nothing from the environment, and TIDEGAUGE_STATE_DIR is none; "
    "expected a folder for profiles. Set one of the two."
)
WRITER = (
    "TIDEGAUGE_WHYLABS_WRITER: got 'disk' from the environment; expected one of none, local, s3, "
    "whylabs. Unset it to use none."
)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"WRITER": "whylabs", "WHYLABS_API_KEY": "super-secret-key"}, KEY),
        ({"WRITER": "whylabs"}, NO_ENDPOINT),
        ({"WRITER": "whylabs", "WHYLABS_API_ENDPOINT": "http://x"}, NO_KEY),
        (
            {
                "WRITER": "whylabs",
                "WHYLABS_API_ENDPOINT": "http://x",
                "WHYLABS_API_KEY": "0123456789.secret",
            },
            NO_DATASET,
        ),
        ({"WRITER": "disk"}, WRITER),
        ({"WRITER": "s3"}, NO_BUCKET),
        ({"WRITER": "local", "DIR": "", "TIDEGAUGE_STATE_DIR": "none"}, NO_FOLDER),
    ],
)
def test_what_is_set_up_wrongly_is_one_message(
    settings: dict[str, str], message: str, folder: Path, monkeypatch: pytest.MonkeyPatch,
    said: Said,
) -> None:  # fmt: skip
    """It names the setting and what it takes, and no secret; the app's prediction goes on."""
    pytest.importorskip("whylogs", reason="needs whylogs, which has no wheels above Python 3.12")
    from tidegauge import runtime
    from tidegauge.configuration import CoreSettings
    from tidegauge.settings import load

    for name, value in {"DIR": str(folder), **settings}.items():
        long = name if "_" in name else f"TIDEGAUGE_WHYLABS_{name}"
        monkeypatch.setenv(long, value)
    monkeypatch.setattr(runtime.shared, "settings", load(CoreSettings))
    processor = WhylabsProcessor()
    for _ in range(3):
        begin(processor)
    assert [f"{message} {_OFF}"] == said(logging.ERROR)
    assert "super-secret-key" not in repr(vars(processor)) + "".join(said(logging.DEBUG))


def test_a_forked_child_keeps_no_lock_of_its_parent(folder: Path) -> None:
    """Or the parent would seem to live as long as the child does."""
    pytest.importorskip("whylogs", reason="needs whylogs, which has no wheels above Python 3.12")
    from tidegauge_exporter_whylabs.settings import WhylabsSettings
    from tidegauge_exporter_whylabs.spool import Spool

    settings = WhylabsSettings(writer="local", folder=str(folder))
    processor = WhylabsProcessor(settings=settings)
    assert processor._begin(settings) is not None
    spool = processor._spool
    assert spool is not None
    assert spool.lead()
    spool.checkpoint("one", b"1")
    processor.reset()
    other = Spool(spool.folder, 100_000, lambda *_: None)
    assert other.lead()
    assert 1 == other.recover()
    other.abandon()
