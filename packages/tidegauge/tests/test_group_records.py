"""Records: never read torn, whatever is done to the file or its writer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidegauge import guard
from tidegauge.group.records import RecordFile, read


@pytest.fixture(autouse=True)
def fresh() -> Any:
    """Forget faults before and after."""
    guard.reset()
    yield
    guard.reset()


def payload_of(path: Path) -> bytes | None:
    """Return what a reader is given."""
    content = read(path)
    return None if content is None else content.payload


def test_the_last_write_counts(tmp_path: Path) -> None:
    """Payloads grow and shrink; each is read as it was written."""
    path = tmp_path / "x.record"
    record = RecordFile(path)
    assert payload_of(path) is None
    for payload in (b"", b"a", b"b" * 10_000, b"", b"c" * 10_000, b"d" * 100_000, b"e"):
        record.write(payload)
        assert payload == payload_of(path)
    assert ["x.record"] == [found.name for found in tmp_path.iterdir()]


def test_another_writer_goes_on_where_the_last_one_stopped(tmp_path: Path) -> None:
    """A sequence number never goes down."""
    path = tmp_path / "x.record"
    for number in range(1, 6):
        RecordFile(path).write(b"%d" % number)
        content = read(path)
        assert content is not None
        assert (number, b"%d" % number) == content


@given(cut=st.integers(0, 2**14), writes=st.integers(2, 4), data=st.binary(max_size=40))
def test_a_damaged_file_gives_a_whole_payload_or_none(
    tmp_path_factory: pytest.TempPathFactory, cut: int, writes: int, data: bytes
) -> None:
    """Whatever is overwritten or cut off, what is read was written."""
    path = tmp_path_factory.mktemp("records") / "x.record"
    record = RecordFile(path)
    written = [b"%d " % number * 500 for number in range(writes)]
    for payload in written:
        record.write(payload)
    whole = path.read_bytes()
    cut %= len(whole) + 1
    path.write_bytes(whole[:cut] + data + whole[cut + len(data) :])
    assert payload_of(path) in written[-2:]
    path.write_bytes(whole[:cut])
    assert payload_of(path) in [*written[-2:], None]
    record.write(b"next")
    assert b"next" == payload_of(path)


def test_a_file_that_is_no_record_is_one_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Empty or foreign: no content, one line."""
    for number, content in enumerate((b"", b"hello", b"\0" * 9000, b"TGr1" * 9000)):
        path = tmp_path / f"{number}.record"
        path.write_bytes(content)
        assert payload_of(path) is None
    assert [
        f"A record of the group is damaged and is left out: got no whole copy in {tmp_path}/"
        "0.record. If this comes again, look at the disk, or at who else writes to this folder."
    ] == [line.getMessage() for line in caplog.records if line.levelname == "ERROR"]
    assert {"group.record": 4} == guard.counts()


def test_a_removed_file_is_written_anew(tmp_path: Path) -> None:
    """Whoever clears the folder costs one second."""
    path = tmp_path / "x.record"
    record = RecordFile(path)
    record.write(b"1")
    path.unlink()
    record.write(b"2")
    assert b"2" == payload_of(path)


WRITER = """
import sys
from pathlib import Path
from tidegauge.group.records import RecordFile
record = RecordFile(Path(sys.argv[1]))
number = 0
while True:
    number += 1
    record.write(b"%08d" % number * 8000)
    if number == 100:
        print("writing", flush=True)
"""


def test_a_writer_that_is_killed_at_work(tmp_path: Path) -> None:
    """Readers meanwhile, and the one after its end, see whole payloads that never go back."""
    path = tmp_path / "x.record"
    for _ in range(5):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        assert b"writing\n" == writer.stdout.readline()
        last = 0
        for _ in range(200):
            content = read(path)
            assert content is not None
            assert content.payload[:8] * 8000 == content.payload
            last = max(last, int(content.payload[:8]))
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        content = read(path)
        assert content is not None
        assert content.payload[:8] * 8000 == content.payload
        assert last <= int(content.payload[:8])
    assert {} == guard.counts()
