"""``configure()`` in real processes: a global provider can be set only once in each."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

Run = Callable[..., subprocess.CompletedProcess[str]]

ERROR = """
from tidegauge.settings import SettingError
from tidegauge_distro import configure
try:
    configure({argument})
except SettingError as error:
    print(error)
"""


def test_it_makes_a_provider_that_answers_a_scrape(python: Run) -> None:
    """One call is enough, and it is quiet."""
    done = python("""
import urllib.request
from opentelemetry import metrics
from tidegauge_distro import configure
from tidegauge_exporter_prometheus.readers import running
provider = configure()
print(metrics.get_meter_provider() is provider)
print(urllib.request.urlopen(f"http://127.0.0.1:{running()[0].port}/metrics").status)
""")
    assert (done.stdout.splitlines(), done.stderr) == (["True", "200"], "")


def test_a_second_call_changes_nothing(python: Run) -> None:
    """The same provider, one reader, no warning."""
    done = python("""
from tidegauge_distro import configure
from tidegauge_exporter_prometheus.readers import running
print(configure() is configure(), len(running()))
""")
    assert (done.stdout.strip(), done.stderr) == ("True 1", "")


def test_it_attaches_to_the_provider_of_the_app(python: Run) -> None:
    """A provider that the app has set is used, and no port is opened beside it."""
    done = python("""
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from tidegauge.guard import once
from tidegauge_distro import configure
reader = InMemoryMetricReader()
own = MeterProvider([reader])
metrics.set_meter_provider(own)
print(configure() is own)
once("test", "")
scopes = reader.get_metrics_data().resource_metrics[0].scope_metrics
print([metric.name for scope in scopes for metric in scope.metrics])
""")
    assert done.stdout.splitlines() == ["True", "['tidegauge.errors']"]


def test_a_given_provider_is_used_and_does_not_become_global(python: Run) -> None:
    """The caller's provider stays the caller's."""
    done = python("""
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from tidegauge_distro import configure
own = MeterProvider()
print(configure(own) is own, metrics.get_meter_provider() is own)
""")
    assert done.stdout.strip() == "True False"


def test_a_wrong_provider_is_refused(python: Run) -> None:
    """The message has its type and what is expected."""
    assert python(ERROR.format(argument="3")).stdout.strip() == (
        "meter_provider: got 'int' from the argument; expected an "
        "opentelemetry.sdk.metrics.MeterProvider. Leave it out to have one made."
    )


def test_a_wrong_setting_is_raised(python: Run) -> None:
    """In code a bad setting does not pass for a log line."""
    assert python(ERROR.format(argument=""), TIDEGAUGE_BUFFER_BYTES="much").stdout.strip() == (
        "TIDEGAUGE_BUFFER_BYTES: got 'much' from the environment; expected an integer in "
        "[65536, 1099511627776]. Unset it to use 33554432."
    )


def test_a_wrong_exporter_is_raised(python: Run) -> None:
    """In code an exporter that is not installed does not pass for a log line."""
    done = python(ERROR.format(argument=""), OTEL_METRICS_EXPORTER="consol")
    assert done.stdout.startswith("OTEL_METRICS_EXPORTER: got 'consol' from the environment;")


def test_a_push_exporter_gets_a_reader(python: Run) -> None:
    """Exporters that push are put into a periodic reader, which exports at the end."""
    done = python(
        """
from opentelemetry import metrics
from tidegauge_distro import configure
configure()
metrics.get_meter("app").create_counter("apples").add(3)
""",
        OTEL_METRICS_EXPORTER="console",
    )
    assert '"name": "apples"' in done.stdout


def test_a_left_out_instrumentor_is_not_started(python: Run) -> None:
    """The variable that leaves instrumentors out under zero-code holds in code too."""
    done = python(
        """
from tidegauge_distro import by_hand, configure
configure()
print(sorted(by_hand._started))
""",
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="*",
    )
    assert done.stdout.strip() == "[]"
