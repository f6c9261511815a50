"""Profiles in a bucket, as moto serves one; ``tox run -e whylabs`` has what that needs."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tidegauge.answers import Outcome
from tidegauge.settings import SettingError
from tidegauge_exporter_whylabs import destination
from tidegauge_exporter_whylabs.addresses import Bucket
from tidegauge_exporter_whylabs.s3 import BucketWriter
from tidegauge_exporter_whylabs.settings import read
from tidegauge_testkit.backends.ports import LOOPBACK, free_port

STEM = "fraud_3_20261119T120000Z_0a1b2c3d-1"
CONTENT = b"WHY1 a profile"
BUCKET = Bucket("ml-profiles", "scoring/")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s3://ml-profiles", Bucket("ml-profiles")),
        ("s3://ml-profiles/", Bucket("ml-profiles")),
        ("s3://ml-profiles/scoring/eu/", Bucket("ml-profiles", "scoring/eu/")),
    ],
)
def test_a_bucket_is_read_from_its_address(text: str, expected: Bucket) -> None:
    """With or without a prefix."""
    assert expected == Bucket.parse(text)


@pytest.mark.parametrize("text", ["ml-profiles", "https://x/y", "s3://", "s3://A_b", "s3://ab?c=d"])
def test_what_is_no_bucket_is_refused(text: str) -> None:
    """Where the setting is read."""
    with pytest.raises(ValueError, match=r"."):
        Bucket.parse(text)


def test_without_boto3_the_line_to_run_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the exporter begins, not when the first profile is finished."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setenv("TIDEGAUGE_WHYLABS_WRITER", "s3")
    monkeypatch.setenv("TIDEGAUGE_WHYLABS_BUCKET", str(BUCKET))
    with pytest.raises(SettingError) as caught:
        destination.writer(read(), Path("unused"))
    assert (
        "TIDEGAUGE_WHYLABS_WRITER=s3 needs boto3, which is not installed. pip install boto3"
    ) == str(caught.value)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Serve S3, and return a client of it."""
    pytest.importorskip("boto3", reason="needs boto3, which is not in everybody's environment")
    server = pytest.importorskip("moto.server", reason="as above")
    import boto3

    for name, value in {
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    served = server.ThreadedMotoServer(LOOPBACK, port=free_port(), verbose=False)
    served.start()
    try:
        host, port = served.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://{host}:{port}")
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET.name)
        yield client
    finally:
        served.stop()


def test_a_profile_is_an_object(store: Any) -> None:
    """Under its name; a second time the same object is written."""
    writer = BucketWriter(BUCKET, 50.0)
    for content in (b"WHY1 first", CONTENT):
        assert Outcome.DELIVERED is writer.write(STEM, content).outcome
    (found,) = store.list_objects_v2(Bucket=BUCKET.name)["Contents"]
    assert f"scoring/{STEM}.bin" == found["Key"]
    assert CONTENT == store.get_object(Bucket=BUCKET.name, Key=found["Key"])["Body"].read()


def test_a_bucket_that_is_not_there_is_said(store: Any) -> None:
    """It will not come by itself, but nothing is lost."""
    written = BucketWriter(Bucket("other"), 50.0).write(STEM, CONTENT)
    assert (Outcome.REFUSED, "NoSuchBucket") == (written.outcome, written.got)


def test_a_store_that_is_down_is_tried_later(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 itself tries once."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://{LOOPBACK}:{free_port()}")
    written = BucketWriter(BUCKET, 50.0).write(STEM, CONTENT)
    assert (Outcome.LATER, "EndpointConnectionError") == (written.outcome, written.got)


def test_a_store_that_hangs_is_left_after_the_limit(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as a request may take."""
    with socket.create_server((LOOPBACK, 0)) as hangs:
        port = hangs.getsockname()[1]
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://{LOOPBACK}:{port}")
        written = BucketWriter(BUCKET, 0.2).write(STEM, CONTENT)
    assert (Outcome.LATER, "ReadTimeoutError") == (written.outcome, written.got)


def test_missing_keys_are_waited_for(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A role of a pod may come late; and then they are used."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("HOME", "/nowhere")
    writer = BucketWriter(BUCKET, 50.0)
    written = writer.write(STEM, CONTENT)
    assert (Outcome.LATER, "NoCredentialsError") == (written.outcome, written.got)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    assert Outcome.DELIVERED is writer.write(STEM, CONTENT).outcome
