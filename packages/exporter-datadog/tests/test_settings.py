"""Where metrics go is read from the variables that Datadog's own libraries read."""

from __future__ import annotations

import pytest
from tidegauge.settings import SettingError
from tidegauge_exporter_datadog.address import Address
from tidegauge_exporter_datadog.settings import read
from tidegauge_exporter_datadog.unified import UnifiedTags


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "udp://localhost:8125"),
        ({"DD_AGENT_HOST": "agent"}, "udp://agent:8125"),
        ({"DD_AGENT_HOST": "::1", "DD_DOGSTATSD_PORT": "9125"}, "udp://[::1]:9125"),
        ({"DD_DOGSTATSD_URL": "udp://a"}, "udp://a:8125"),
        ({"DD_DOGSTATSD_URL": "udp://a:1/", "DD_AGENT_HOST": "b"}, "udp://a:1"),
        ({"DD_DOGSTATSD_URL": "unix:///var/run/dsd.socket"}, "unix:///var/run/dsd.socket"),
        ({"DD_DOGSTATSD_URL": "unixstream:///a%20b"}, "unixstream:///a b"),
        ({"DD_DOGSTATSD_URL": "unixgram:///a"}, "unixgram:///a"),
    ],
)
def test_where_the_agent_is(
    environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A URL goes before a host."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert expected == str(read().address)


@pytest.mark.parametrize(
    "url", ["agent:8125", "http://agent", "udp://", "udp://a:0", "udp://a:x", "unix://", "unix:///"]
)
def test_a_wrong_url_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what is expected."""
    monkeypatch.setenv("DD_DOGSTATSD_URL", url)
    with pytest.raises(SettingError) as caught:
        read()
    assert (
        f"DD_DOGSTATSD_URL: got {url!r} from the environment; expected udp://host:port, "
        "unix:///path, unixgram:///path or unixstream:///path. Unset it to use the default."
    ) == str(caught.value)


def test_packets_are_as_long_as_datadog_recommends() -> None:
    """One frame of a network; for a socket of the same host, what the Agent reads."""
    assert (1432, 8192) == (Address().most_bytes, Address.parse("unix:///a").most_bytes)


def test_tags_of_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Separated by commas or blanks, with or without values, cleaned."""
    monkeypatch.setenv("DD_TAGS", "team:risk, region:eu|1  canary,,")
    monkeypatch.setenv("DD_ENV", "prod")
    assert UnifiedTags("prod", "", "", ("team:risk", "region:eu_1", "canary")) == read().unified
