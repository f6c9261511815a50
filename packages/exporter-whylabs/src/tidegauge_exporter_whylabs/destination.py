"""The place for profiles that the settings choose."""

from __future__ import annotations

from pathlib import Path

from tidegauge.settings import SettingError

from tidegauge_exporter_whylabs import s3
from tidegauge_exporter_whylabs.api import ApiWriter, Platform
from tidegauge_exporter_whylabs.local import LocalWriter
from tidegauge_exporter_whylabs.naming import slug
from tidegauge_exporter_whylabs.s3 import BucketWriter
from tidegauge_exporter_whylabs.settings import LOCAL, S3, WhylabsSettings
from tidegauge_exporter_whylabs.writer import Writer

_WRITER = "TIDEGAUGE_WHYLABS_WRITER"


def writer(settings: WhylabsSettings, folder: Path) -> Writer:
    """Return the writer that the settings choose.

    Raises
    ------
    SettingError
        A setting or a package that it needs is missing.
    """
    if settings.writer == LOCAL:
        return LocalWriter(folder)
    if settings.writer == S3:
        if settings.bucket is None:
            raise SettingError(
                f"{_WRITER}: got 's3' without a bucket from the environment; expected "
                "TIDEGAUGE_WHYLABS_BUCKET. Set it to s3://bucket/prefix."
            )
        if message := s3.missing(f"{_WRITER}=s3"):
            raise SettingError(message)
        return BucketWriter(settings.bucket, settings.timeout_s)
    return ApiWriter(platform(settings), settings.timeout_s)


def platform(settings: WhylabsSettings) -> Platform:
    """Return the WhyLabs platform of the settings.

    Raises
    ------
    SettingError
        A key is missing, or a dataset.
    """
    if not settings.api_endpoint:
        raise SettingError(
            "WHYLABS_API_ENDPOINT: got nothing from the environment; expected the URL of your own "
            "WhyLabs platform: the hosted service is discontinued. Set it, or write profiles to a "
            "folder or a bucket."
        )
    if not settings.api_key:
        raise SettingError(
            "WHYLABS_API_KEY: got nothing from the environment; expected the key of a WhyLabs "
            "platform. Set it to one that the platform has made."
        )
    if not settings.dataset_id and not settings.datasets:
        raise SettingError(
            "WHYLABS_DEFAULT_DATASET_ID: got nothing from the environment; expected the dataset "
            "that profiles go to. Set it to its id, such as model-1."
        )
    return Platform(
        settings.api_endpoint,
        settings.api_key,
        settings.org_id,
        settings.dataset_id,
        {slug(model): dataset for model, dataset in settings.datasets},
    )
