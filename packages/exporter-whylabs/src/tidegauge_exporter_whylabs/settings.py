"""Where profiles go and what they may cost: as WhyLabs names it, where it does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tidegauge.features import FeatureSettings
from tidegauge.settings import load, setting

from tidegauge_exporter_whylabs.addresses import Bucket, parse_key, parse_url

NONE, LOCAL, S3, WHYLABS = "none", "local", "s3", "whylabs"


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for part in text.split(","):
        model, pair, dataset = (each.strip() for each in part.rpartition("="))
        if not pair or not model or not dataset or model in found:
            raise ValueError(text)
        found[model] = dataset
    return tuple(found.items())


@dataclass(frozen=True, slots=True)
class WhylabsSettings(FeatureSettings):
    """The settings of profiles."""

    writer: str = setting(
        "TIDEGAUGE_WHYLABS_WRITER",
        NONE,
        "Where whylogs profiles of each model are written: local (a folder), s3 (a bucket) or "
        "whylabs (the API of a WhyLabs platform); none: no profiles are made.",
        choices=(NONE, LOCAL, S3, WHYLABS),
    )
    interval_s: int = setting(
        "TIDEGAUGE_WHYLABS_INTERVAL_S",
        3600,
        "How long a profile goes on; it begins at a multiple of this in UTC.",
        minimum=60,
        maximum=86_400,
    )
    folder: str = setting(
        "TIDEGAUGE_WHYLABS_DIR",
        "",
        "Folder of the local writer's profiles; and, in .spool, of what is open or waits to be "
        "sent. By default whylabs in TIDEGAUGE_STATE_DIR.",
    )
    bucket: Bucket | None = setting(  # noqa: RUF009 - a row, as the others
        "TIDEGAUGE_WHYLABS_BUCKET",
        None,
        "Bucket of the s3 writer: s3://bucket/prefix. Keys, region and endpoint are boto3's own, "
        "such as AWS_ENDPOINT_URL_S3.",
        parse=Bucket.parse,
        expected="s3://bucket or s3://bucket/prefix",
    )
    api_endpoint: str = setting(
        "WHYLABS_API_ENDPOINT",
        "",
        "URL of the API of your own WhyLabs platform: the hosted service is discontinued.",
        parse=parse_url,
        expected="a URL such as https://whylabs.example.com, without a user",
    )
    api_key: str = setting(
        "WHYLABS_API_KEY",
        "",
        "Key of the WhyLabs API.",
        parse=parse_key,
        expected="12 characters at least with a dot at the 11th, such as <id>.<secret>",
        secret=True,
    )
    org_id: str = setting(
        "WHYLABS_DEFAULT_ORG_ID", "", "Organisation at WhyLabs; reference profiles need it."
    )
    dataset_id: str = setting(
        "WHYLABS_DEFAULT_DATASET_ID",
        "",
        "Dataset (model) at WhyLabs that profiles go to, such as model-1.",
    )
    datasets: tuple[tuple[str, str], ...] = setting(
        "TIDEGAUGE_WHYLABS_DATASETS",
        (),
        "Datasets of several models: fraud=model-1,churn=model-2. Others go to "
        "WHYLABS_DEFAULT_DATASET_ID, where two of them are mixed.",
        parse=_pairs,
        expected="<model>=<dataset> with commas between",
    )
    timeout_s: float = setting(
        "TIDEGAUGE_WHYLABS_TIMEOUT_S",
        5.0,
        "How long a request to the WhyLabs API or to a bucket may hang.",
        minimum=0.1,
        maximum=60.0,
    )
    load_timeout_s: float = setting(
        "TIDEGAUGE_WHYLABS_LOAD_TIMEOUT_S",
        10.0,
        "How long a job that ends waits for whylogs' import, beside TIDEGAUGE_SHUTDOWN_TIMEOUT_S; "
        "one that is ended by SIGTERM does not.",
        minimum=0.0,
        maximum=60.0,
    )
    max_rows_per_s: int = setting(
        "TIDEGAUGE_WHYLABS_MAX_ROWS_PER_S",
        1000,
        "Rows of a process that are profiled in a second; of more a sample is.",
        minimum=1,
        maximum=10_000_000,
    )
    queue_bytes: int = setting(
        "TIDEGAUGE_WHYLABS_QUEUE_BYTES",
        16_777_216,
        "Memory for rows that wait to be profiled; beyond it the oldest are dropped and counted.",
        minimum=65_536,
        maximum=1_073_741_824,
    )
    spool_bytes: int = setting(
        "TIDEGAUGE_WHYLABS_SPOOL_BYTES",
        67_108_864,
        "Disk for profiles that wait to be sent; beyond it the oldest are dropped and counted.",
        minimum=65_536,
        maximum=2**40,
    )

    def doubts(self, models: Sequence[str]) -> Iterator[str]:
        """Say what is allowed but hardly meant, given models that are served here."""
        named = dict(self.datasets)
        by_default = sorted(model for model in models if model not in named)
        if self.writer == WHYLABS and self.dataset_id and len(by_default) > 1:
            yield shared_dataset(self.dataset_id, by_default)


def shared_dataset(dataset: str, models: Sequence[str]) -> str:
    """Return what to say of several models whose profiles go to one dataset."""
    wanted = ",".join(f"{model}=<dataset>" for model in models)
    return (
        f"TIDEGAUGE_WHYLABS_DATASETS: got no dataset of {', '.join(models)} from the environment, "
        f"and WHYLABS_DEFAULT_DATASET_ID={dataset} takes one model; expected a dataset for each, "
        f"as the platform mixes what it gets. Set it to {wanted}."
    )


def read() -> WhylabsSettings:
    """Read the settings from the environment.

    Raises
    ------
    SettingError
        A value is malformed or out of bounds.
    """
    return load(WhylabsSettings)
