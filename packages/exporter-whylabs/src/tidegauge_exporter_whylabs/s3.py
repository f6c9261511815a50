"""A bucket of anything that speaks S3, by boto3: it knows every way to come by keys.

boto3 is the app's or is installed beside it. fsspec's s3fs would bring an event loop of its own in
a thread, which no fork survives, and aiohttp.
"""

from __future__ import annotations

import importlib.util
from typing import Any

from tidegauge.answers import Outcome
from tidegauge.late_import import late_import

from tidegauge_exporter_whylabs.addresses import Bucket
from tidegauge_exporter_whylabs.naming import SUFFIX
from tidegauge_exporter_whylabs.writer import DELIVERED, Written

INSTALL = "pip install boto3"
_SETTING = "TIDEGAUGE_WHYLABS_BUCKET"
# What does not end by itself.
_REFUSED = frozenset(
    {
        "AccessDenied",
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "NoSuchBucket",
        "AllAccessDisabled",
    }
)


def missing(subject: str) -> str:
    """Return one message where boto3 is missing, empty where it is there."""
    if importlib.util.find_spec("boto3") is not None:
        return ""
    return f"{subject} needs boto3, which is not installed. {INSTALL}"


class BucketWriter:
    """Puts profiles into a bucket.

    Parameters
    ----------
    bucket : Bucket
        Where to.
    timeout_s : float
        For each step: to connect, and for each piece of the answer.
    """

    def __init__(self, bucket: Bucket, timeout_s: float) -> None:
        self._bucket = bucket
        self._timeout_s = timeout_s
        self._client: Any = None
        self.where = str(bucket)

    def write(self, stem: str, content: bytes) -> Written:
        """Put an object; S3 shows it when it is whole."""
        with late_import(slow=True):
            from botocore import exceptions  # noqa: PLC0415 - optional, and slow to load
        try:
            if self._client is None:
                self._client = self._connect()
            self._client.put_object(
                Bucket=self._bucket.name,
                Key=f"{self._bucket.prefix}{stem}{SUFFIX}",
                Body=content,
                ContentType="application/octet-stream",
            )
        except exceptions.ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            outcome = Outcome.REFUSED if code in _REFUSED else Outcome.LATER
            return Written(outcome, code or "an error", _SETTING, "Look at it and at AWS_*.")
        except exceptions.BotoCoreError as error:  # no keys, no region, no connection
            self._client = None
            return Written(
                Outcome.LATER, type(error).__name__, _SETTING, "Look at it and at AWS_*."
            )
        return DELIVERED

    def _connect(self) -> Any:
        with late_import(slow=True):
            import boto3  # noqa: PLC0415 - as above
            from botocore.config import Config  # noqa: PLC0415

        limits = Config(
            connect_timeout=self._timeout_s,
            read_timeout=self._timeout_s,
            retries={"total_max_attempts": 1},  # the spool tries again
        )
        # A session of its own: the default one is the app's, and not for several threads.
        return boto3.session.Session().client("s3", config=limits)
