from __future__ import annotations

import dataclasses
import json
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tidegauge_alerting import AlertFileError, Severity, alert_file, load
from tidegauge_alerting.alert_file import Source, installed_sources, own_sources
from tidegauge_alerting.measures import EventGuard, RowGuard, StabilityIndex, Where
from tidegauge_alerting.schema import schema

if TYPE_CHECKING:
    from pathlib import Path

DEFAULTS = load()
BY_NAME = {alert.name: alert for alert in DEFAULTS.alerts}
VALIDATOR = jsonschema.Draft202012Validator(schema())

WHOLE = """\
  - name: Own
    metric: drift.ks.statistic
    measure: {last: {}}
    comparison: ">"
    threshold: 0.3
    severity: critical
    summary: "{feature} of {model}"
    description: "{value:number}"
"""
CHANNELS = """\
channels:
  oncall: {type: pagerduty, routing_key_file: /etc/key}
  ml: {type: slack, url_env: SLACK_URL, channel: "#ml"}
  mail:
    type: email
    to: [a@example.com, b@example.com]
    from: c@example.com
    smarthost: smtp.example.com:587
  retrain: {type: webhook, address: "http://example.com/alerts", send_resolved: false}
routes:
  critical: [oncall, ml]
  info: mail
"""


def written(tmp_path: Path, text: str) -> Path:
    """Write a file of alerts."""
    path = tmp_path / "alerts.yaml"
    path.write_text(text)
    return path


def refusal(tmp_path: Path, text: str) -> tuple[str, ...]:
    """Return what is said about a file, without its path."""
    path = written(tmp_path, text)
    with pytest.raises(AlertFileError) as caught:
        load(path)
    assert "\n".join(caught.value.problems) == str(caught.value)
    return tuple(each.replace(str(path), "FILE") for each in caught.value.problems)


def test_without_a_file_the_definitions_hold() -> None:
    """Those of this package first; what costs series is off."""
    assert {"HighErrorRate", "ModelDrift", "InputDrift"} <= set(BY_NAME)
    assert "FleetDrift" in [alert.name for alert in DEFAULTS.off]
    assert "FleetDrift" in [alert.name for alert in load(enable=["FleetDrift"]).alerts]
    assert (DEFAULTS.channels, DEFAULTS.routes) == ((), {})


def test_an_entry_changes_only_what_it_says(tmp_path: Path) -> None:
    """A threshold takes its recovery along, a guard of the same kind keeps the rest of it."""
    found = load(
        written(
            tmp_path,
            "version: 1\nalerts:\n"
            "  - {name: HighLatency, threshold: 1}\n"
            "  - {name: HighErrorRate, enabled: false}\n"
            "  - {name: DataDriftDetected, guard: {rows: {minimum: 1000}}}\n"
            "  - {name: InputDrift, severity: info}\n"
            "  - {name: FleetDrift, enabled: true, measure: {stability_index: {windows: [2h]}}}\n",
        )
    )
    by_name = {alert.name: alert for alert in found.alerts}
    assert by_name["HighLatency"] == dataclasses.replace(
        BY_NAME["HighLatency"],
        threshold=1,
        recovery=0.8,
        threshold_from="Set in the file of alerts.",
    )
    assert "HighErrorRate" in [alert.name for alert in found.off]
    guard = by_name["DataDriftDetected"].guard
    assert isinstance(guard, RowGuard)
    assert (guard.metric.name, guard.minimum) == ("drift.effective.rows", 1000)
    assert by_name["InputDrift"].cooldown_s == 7 * 86_400
    assert by_name["ModelDrift"] == BY_NAME["ModelDrift"]
    index = by_name["FleetDrift"].measure
    assert isinstance(index, StabilityIndex)
    assert index.windows_s == (7200,)


def test_a_new_name_is_a_whole_alert(tmp_path: Path) -> None:
    """It comes after those that are there."""
    alert = load(written(tmp_path, f"version: 1\nalerts:\n{WHOLE}")).alerts[-1]
    assert (alert.name, alert.metric.name, alert.threshold) == ("Own", "drift.ks.statistic", 0.3)
    assert alert.cooldown_s == 4 * 3600


def test_channels_have_routes(tmp_path: Path) -> None:
    """By severity, or by the alert itself; a secret is a reference."""
    text = f"version: 1\n{CHANNELS}alerts:\n{WHOLE}    channels: [retrain]\n"
    found = load(written(tmp_path, text))
    assert found.routes == {Severity.CRITICAL: ("oncall", "ml"), Severity.INFO: ("mail",)}
    by_name = {alert.name: alert for alert in found.alerts}
    for name, expected in (
        ("Own", ["retrain"]),
        ("ModelDrift", ["oncall", "ml"]),
        ("InputDrift", []),
        ("TidegaugeFaults", ["mail"]),
    ):
        assert [each.name for each in found.channels_of(by_name[name])] == expected
    oncall, ml, mail, retrain = found.channels
    assert oncall.routing_key is not None
    assert (oncall.routing_key.file, oncall.routing_key.env) == ("/etc/key", "")
    assert ml.url is not None
    assert ml.url.env == "SLACK_URL"
    assert (mail.to, mail.require_tls) == (("a@example.com", "b@example.com"), True)
    assert (retrain.url, retrain.send_resolved) == (None, False)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            "{name: Own, metric: drift.psi.valeu}",
            "alert 1 (Own), metric: got 'drift.psi.valeu'; expected the name of a metric. "
            "Did you mean drift.psi.value?",
        ),
        (
            "{name: HighLatency, threshold: fast}",
            "alert 1 (HighLatency), threshold: got 'fast'; expected a number. Write it without "
            "unit or quotes: 5 % is 0.05, half a second is 0.5.",
        ),
        (
            "{name: HighLatency, threshold: true}",
            "alert 1 (HighLatency), threshold: got True; expected a number. Write it without "
            "unit or quotes: 5 % is 0.05, half a second is 0.5.",
        ),
        (
            "{name: HighLatency, threshold: .nan}",
            "alert 1 (HighLatency), threshold: got nan; expected a number. Write it without "
            "unit or quotes: 5 % is 0.05, half a second is 0.5.",
        ),
        (
            "{name: HighErrorRate, threshold: 5}",
            "alert 1 (HighErrorRate), threshold: got 5.0; expected a share above 0 and below 1. "
            "5 % is 0.05.",
        ),
        (
            "{name: HighLatency, treshold: 1}",
            "alert 1 (HighLatency): got the unknown key 'treshold'; expected one of channels, "
            "comparison, cooldown, description, enabled, first_steps, for, guard, inhibits, low, "
            "measure, metric, name, needs, recovery, runbook_url, see, severity, summary, "
            "threshold, threshold_from, unit. "
            "Did you mean threshold?",
        ),
        (
            "{name: HighLatencey, threshold: 1}",
            None,
        ),
        (
            "{name: HighLatency, for: 5 minutes}",
            "alert 1 (HighLatency), for: got '5 minutes'; expected a whole number and s, m, h or "
            "d. For example: 30s, 5m, 4h or 1d.",
        ),
        (
            "{name: HighLatency, severity: page}",
            "alert 1 (HighLatency), severity: got 'page'; expected one of critical, warning, info. "
            "Correct the name.",
        ),
        (
            "{name: HighLatency, enabled: 'no'}",
            "alert 1 (HighLatency), enabled: got 'no'; expected true or false. Write one of them, "
            "without quotes.",
        ),
        (
            "{name: HighLatency, summary: '{pod} is slow'}",
            "alert 1 (HighLatency): text of HighLatency: got '{pod}'; expected one of model_name, "
            "model_version, model, target, see, value:FORM, threshold:FORM, FORM one of number, "
            "percent, duration. Use what the alert carries.",
        ),
        (
            "{name: HighLatency, summary: '{value.__class__}'}",
            "alert 1 (HighLatency): text of HighLatency: got '{value.__class__}'; expected one of "
            "model_name, model_version, model, target, see, value:FORM, threshold:FORM, FORM one "
            "of number, percent, duration. Use what the alert carries.",
        ),
        (
            "{name: HighLatency, measure: {quantile: {by: [model]}}}",
            "alert 1 (HighLatency), measure, quantile, by: got 'model'; expected attributes of "
            "model.request.latency: model_name, model_version, operation. "
            "Did you mean model_name?",
        ),
        (
            "{name: HighLatency, measure: {last: {}}}",
            "alert 1 (HighLatency), measure: got 'last'; expected a measure of a histogram. "
            "model.request.latency is a histogram: take quantile.",
        ),
        (
            "{name: HighLatency, measure: {median: {}}}",
            "alert 1 (HighLatency), measure: got median; expected one of last, across, share, "
            "increase, vanished, stability_index, reachable, quantile. Correct the name.",
        ),
        (
            "{name: InputDrift, guard: {events: 5}}",
            "alert 1 (InputDrift), guard: got 'events'; expected rows, or no guard. Events guard "
            "a share, a quantile or an across.",
        ),
        (
            "{name: HighLatency, guard: {events: 0}}",
            "alert 1 (HighLatency), guard, events: got 0.0; expected a minimum of at least 1. Or "
            "leave guard out.",
        ),
        (
            "{name: HighLatency, comparison: outside}",
            "alert 1 (HighLatency): low of HighLatency: got None; expected a number below 0.5. "
            "Give a low with the comparison 'outside', and with no other.",
        ),
        (
            "{name: HighLatency, runbook_url: 'javascript:alert(1)'}",
            "alert 1 (HighLatency), runbook_url: got 'javascript:alert(1)'; expected an http or "
            "https address. For example: https://runbooks.example.com/{name}.",
        ),
        (
            "{name: HighLatency, inhibits: [InptDrift]}",
            "alert 1 (HighLatency), inhibits: got 'InptDrift'; expected the names of other alerts. "
            "Did you mean InputDrift?",
        ),
        (
            "{name: HighLatency, channels: [pager]}",
            "alert 1 (HighLatency), channels: got the channel 'pager'; expected one of none. Add "
            "it under channels.",
        ),
        (
            "{threshold: 1}",
            "alert 1: got no name; expected a text. Add it, or correct its name: there is "
            "threshold.",
        ),
        ("fast", "alert 1: got 'fast'; expected keys with values. Write 'key: value', one a line, "
         "indented alike."),
    ],
)  # fmt: skip
def test_a_wrong_entry_is_one_clear_line(entry: str, message: str | None, tmp_path: Path) -> None:
    """It has the file, the alert, what was got, what is expected and what to do."""
    (said,) = refusal(tmp_path, f"version: 1\nalerts:\n  - {entry}\n")
    if message is None:
        assert said.startswith("FILE, alert 1 (HighLatencey): got a name that no alert has; expec")
        assert said.endswith(" Did you mean HighLatency?")
    else:
        assert said == f"FILE, {message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "version: 1\nalerts:\n  - name: [\n",
            "FILE, line 4: got text that is no YAML (expected the node content, but found "
            "'<stream end>'); expected keys with values, 'version: 1' first. Correct that line: "
            "indentation, a missing colon or quote.",
        ),
        (
            "version: 1\nalerts:\n  - name: HighLatency\n    for: 5m\n    for: 6m\n",
            "FILE, line 5: got text that is no YAML (the key 'for' stands twice); expected "
            "keys with values, 'version: 1' first. Correct that line: indentation, a missing colon "
            "or quote.",
        ),
        (
            "!!python/object/apply:os.system [echo]",
            "FILE, line 1: got text that is no YAML (could not determine a constructor for the "
            "tag 'tag:yaml.org,2002:python/object/apply:os.system'); expected keys with "
            "values, 'version: 1' first. Correct that line: indentation, a missing colon or quote.",
        ),
        (
            "",
            "FILE: got None; expected keys with values. Write 'key: value', one a line, indented "
            "alike.",
        ),
        ("version: 2\n", "FILE, version: got 2; expected 1. Write 'version: 1'."),
        (
            "alerts: []\n",
            "FILE: got no version; expected 1. Add it, or correct its name: there is alerts.",
        ),
        (
            "version: 1\nalerts: {name: HighLatency}\n",
            "FILE, alerts: got {'name': 'HighLatency'}; expected a list. Begin each entry with a "
            "dash: '- name: X'.",
        ),
        (
            "version: 1\nroute: {critical: [a]}\n",
            "FILE: got the unknown key 'route'; expected one of alerts, channels, routes, version. "
            "Did you mean routes?",
        ),
        (
            "version: 1\nroutes: {urgent: [a]}\n",
            "FILE, routes: got the unknown key 'urgent'; expected one of critical, info, warning. "
            "Correct the name.",
        ),
        (
            "version: 1\nchannels: {ml: {type: slack, url_env: A}}\nroutes: {info: [mll]}\n",
            "FILE, routes, info: got the channel 'mll'; expected one of ml. Did you mean ml?",
        ),
        (
            "version: 1\nchannels: {ml: {type: slack, url: https://hooks.example.com/x}}\n",
            "FILE, channels, ml, url: got a secret; expected url_file or url_env. Put it into a "
            "file or a variable and name that: the file of alerts is read by many.",
        ),
        (
            "version: 1\nchannels: {ml: {type: slack}}\n",
            "FILE, channels, ml: got no url_file and url_env; expected one of them. Name the file "
            "or the variable that holds the secret.",
        ),
        (
            "version: 1\nchannels: {ml: {type: slack, url_file: url}}\n",
            "FILE, channels, ml, url_file: got 'url'; expected a path that begins with /. Others "
            "read it from another folder: Alertmanager, a service.",
        ),
        (
            "version: 1\nchannels: {ml: {type: webhook, address: 'https://u:pw@example.com'}}\n",
            "FILE, channels, ml, address: got 'https://...@example.com'; expected no password in "
            "it. Use url_file or url_env.",
        ),
        (
            "version: 1\nchannels: {ml: {type: teams}}\n",
            "FILE, channels, ml, type: got 'teams'; expected one of email, slack, pagerduty, "
            "webhook. Correct the name.",
        ),
        (
            "version: 1\nchannels: {m: {type: email, to: a@b, from: c@d, smarthost: mail}}\n",
            "FILE, channels, m, smarthost: got 'mail'; expected host:port. For example: "
            "smtp.example.com:587.",
        ),
        (
            "version: 1\nchannels: {m: {type: email, to: nobody, from: c@d, smarthost: a:25}}\n",
            "FILE, channels, m, to: got 'nobody'; expected a mail address. For example: "
            "ml@example.com.",
        ),
    ],
)
def test_a_wrong_file_is_one_clear_line(text: str, message: str, tmp_path: Path) -> None:
    """No YAML, a key twice, an unknown one, a secret in the open."""
    assert refusal(tmp_path, text) == (message,)


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    """Nobody corrects a file line by line."""
    said = refusal(
        tmp_path,
        "version: 1\nchannels: {ml: {type: slack}}\nalerts:\n"
        "  - {name: HighLatency, threshold: fast}\n"
        "  - {name: InputDrift, severity: page}\n"
        "  - {name: InputDrift, severity: info}\n",
    )
    assert [each.partition(":")[0] for each in said] == [
        "FILE, alert 3 (InputDrift)",
        "FILE, alert 1 (HighLatency), threshold",
        "FILE, alert 2 (InputDrift), severity",
        "FILE, channels, ml",
    ]
    assert "a name that is taken in this file" in said[0]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """One line, and what to do; bytes that are no text are one too."""
    with pytest.raises(AlertFileError) as caught:
        load(tmp_path / "no.yaml")
    assert str(caught.value) == (
        f"{tmp_path / 'no.yaml'}: cannot be read (No such file or directory). Name a file of "
        "alerts, or leave it out for the definitions that come with the packages."
    )
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(AlertFileError, match="got bytes that are not UTF-8"):
        load(binary)


def test_two_packages_do_not_take_one_name() -> None:
    """A definition of another package does not replace one."""
    own = [*own_sources()]
    other = Source(
        "other/alerts.yaml", f"version: 1\nalerts:\n{WHOLE.replace('Own', 'HighLatency')}"
    )
    with pytest.raises(AlertFileError) as caught:
        load(sources=[*own, other])
    assert str(caught.value).startswith(
        "other/alerts.yaml, alert 1 (HighLatency): got a name that is taken in "
        "tidegauge_alerting/1_service.yaml, alert "
    )


def test_a_package_that_names_no_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has the entry point."""
    point = EntryPoint("cost", "tidegauge_alerting:nothing.yaml", "tidegauge_alerts")
    monkeypatch.setattr(alert_file, "entry_points", lambda group: [point])
    with pytest.raises(AlertFileError, match=r"^entry point cost of tidegauge_alerts: got 'tide"):
        list(installed_sources())


def test_a_row_guard_can_be_of_some_series() -> None:
    """The verdict of data quality guards its shares, and no other family's does."""
    guard = BY_NAME["MissingValues"].guard
    assert isinstance(guard, RowGuard)
    assert guard.where == (Where("family", ("data_quality",)),)
    assert isinstance(BY_NAME["HighLatency"].guard, EventGuard)


@pytest.mark.parametrize("source", [*installed_sources()], ids=lambda source: source.name)
def test_the_definitions_are_valid_in_the_schema(source: Source) -> None:
    """One format, for those that come with a package and for a user's."""
    VALIDATOR.validate(yaml.safe_load(source.text))


def test_the_schema_is_one() -> None:
    """It is valid itself, and plain JSON."""
    jsonschema.Draft202012Validator.check_schema(schema())
    assert json.loads(json.dumps(schema())) == schema()


@pytest.mark.parametrize(
    "text",
    [
        f"version: 1\n{CHANNELS}",
        f"version: 1\nalerts:\n{WHOLE}",
        "version: 1\nalerts:\n  - {name: InputDrift, guard: null}\n",
    ],
)
def test_what_is_read_is_valid(text: str, tmp_path: Path) -> None:
    """What the schema allows loads."""
    VALIDATOR.validate(yaml.safe_load(text))
    load(written(tmp_path, text))


@pytest.mark.parametrize(
    "text",
    [
        "{version: 1, alerts: [{name: A, treshold: 1}]}",
        "{version: 1, alerts: [{name: HighLatency, threshold: fast}]}",
        "{version: 1, alerts: [{name: HighLatency, metric: drift.psi}]}",
        "{version: 1, alerts: [{name: HighLatency, for: 5 minutes}]}",
        "{version: 1, alerts: [{name: HighLatency, measure: {median: {}}}]}",
        "{version: 1, alerts: [{threshold: 1}]}",
        "{version: 2}",
        "{version: 1, channels: {a: {type: slack, url: 'https://example.com'}}}",
        "{version: 1, channels: {a: {type: teams}}}",
        "{version: 1, routes: {urgent: [a]}}",
    ],
)
def test_the_schema_refuses_what_is_wrong(text: str, tmp_path: Path) -> None:
    """An editor shows the mistake that loading would."""
    assert not VALIDATOR.is_valid(yaml.safe_load(text))
    assert refusal(tmp_path, text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "measure", "guard", "last", "rows", "threshold", "by", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(head=st.dictionaries(st.sampled_from(["alerts", "channels", "routes", "z"]), JSON))
def test_whatever_is_written_is_an_alert_or_a_clear_error(head: dict[str, Any]) -> None:
    """No file of any shape ends in a traceback."""
    text = json.dumps({"version": 1, **head})
    try:
        load(sources=[Source("file", text)])
    except AlertFileError as error:
        assert all("got" in problem for problem in error.problems)  # noqa: PT017 - any of two
