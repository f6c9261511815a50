from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from tidegauge.command import CommandError
from tidegauge_alerting.dashboards_command import PREVIEW
from tidegauge_testkit.backends import free_port
from tidegauge_testkit.contracts import commands
from tidegauge_testkit.promql_listener import Answers, Labels, Listener


def full(expression: str) -> Sequence[tuple[Labels, float]]:
    """Answer everything: one series with all labels that the expression keeps."""
    found = re.search(r"by \(([^)]*)\)", expression)
    return [(dict.fromkeys(found[1].split(", ") if found else (), "fraud"), 1.0)]


def without(name: str, *, there: bool) -> Answers:
    """Answer everything but what reads a metric, which exists, or does not."""

    def answers(expression: str) -> Sequence[tuple[Labels, float]]:
        if name in expression and not (there and expression.startswith("count(last_over_time(")):
            return []
        return full(expression)

    return answers


def test_grafanas_dashboards_are_files(tmp_path: Path) -> None:
    """Each is JSON under its uid; what else is in the folder stays."""
    other = tmp_path / "dashboards" / "other.json"
    other.parent.mkdir()
    other.write_text("{}")
    terminal = commands.run("dashboards render", "grafana", "-o", tmp_path)
    assert terminal.status == 0
    files = [Path(line) for line in terminal.lines]
    assert {path.name for path in tmp_path.rglob("tidegauge-*.json")} <= {
        path.name for path in files
    }
    for path in files:
        if path.suffix == ".json":
            assert json.loads(path.read_text())["uid"] == path.stem
    assert other.read_text() == "{}"


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """A file where the folder should be is one clear line."""
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError, match=r"cannot be written .* Choose a folder that you may"):
        commands.run("dashboards render", "grafana", "-o", tmp_path / "file")


def test_every_expression_can_be_read() -> None:
    """Without a server the expressions alone are checked."""
    terminal = commands.run("dashboards check")
    assert terminal.status == 0
    assert re.fullmatch(r"\d+ expressions can be read\.", terminal.lines[0])


def test_every_expression_has_data() -> None:
    """With a server each is asked for."""
    with Listener(full) as listener:
        terminal = commands.run("dashboards check", "--prometheus", listener.url)
    assert terminal.status == 0
    number = terminal.lines[0].partition(" ")[0]
    assert terminal.lines[1] == (
        f"{number} expressions have data, 0 have none just now, 0 are of metrics that nothing "
        "exports, 0 are refused."
    )


def test_a_metric_that_nothing_exports_is_no_fault_of_a_dashboard() -> None:
    """Not everybody has a GPU: it is listed, and the status is good."""
    with Listener(without("drift_stream_detected", there=False)) as listener:
        terminal = commands.run("dashboards check", "--prometheus", listener.url)
    assert terminal.status == 0
    assert terminal.tables["No data: nothing exports the metric"][1:] == [
        [
            "drift: Streaming detectors",
            "drift_stream_detected has no series: nothing that is scraped exports it.",
        ]
    ]


def test_a_panel_without_data_of_a_metric_that_is_there_is_a_fault() -> None:
    """It is idle, or its expression is wrong: somebody should look."""
    with Listener(without("drift_stream_detected", there=True)) as listener:
        terminal = commands.run("dashboards check", "--prometheus", listener.url)
    assert terminal.status == 1
    assert [row[0] for row in terminal.tables["No data, though the metric is there"][1:]] == [
        "drift: Streaming detectors"
    ]


def test_an_expression_that_is_refused_is_a_fault() -> None:
    """The reason is the server's own, beside the panel."""

    def answers(expression: str) -> Sequence[tuple[Labels, float]] | str:
        return "too many samples" if "drift_window_rows" in expression else full(expression)

    with Listener(answers) as listener:
        terminal = commands.run("dashboards check", "--prometheus", listener.url)
    assert terminal.status == 1
    assert [
        [
            "drift: Rows of the last window",
            f"{listener.url} refuses it: bad_data: too many samples",
        ],
        [
            "model: Rows of the last window",
            f"{listener.url} refuses it: bad_data: too many samples",
        ],
    ] == sorted(terminal.tables["Expressions that Prometheus refuses"][1:])


def test_the_page_is_written(tmp_path: Path) -> None:
    """One file, and one line that says how much is on it."""
    path = tmp_path / "pages" / "page.html"
    with Listener(without("model_errors_total", there=True)) as listener:
        terminal = commands.run(
            "dashboards preview", "--prometheus", listener.url, "-o", path, "--since", "1h"
        )
    assert terminal.status == 0
    assert path.read_text().startswith("<!DOCTYPE html>")
    found = re.fullmatch(r"(\S+): (\d+) of (\d+) panels have data\.", terminal.lines[-1])
    assert found is not None
    assert found[1] == str(path)
    assert int(found[3]) - int(found[2]) == 1
    assert terminal.tables["Panels without data"][1:] == [
        [
            "One model: fraud",
            "Errors by type",
            "model_errors_total has series, and none with an event or a value in this time.",
        ]
    ]


def test_a_server_that_is_away_is_one_clear_line(tmp_path: Path) -> None:
    """The address, what came of it, and what to do; no page is left."""
    url = f"http://127.0.0.1:{free_port()}"
    path = tmp_path / "page.html"
    for words in (
        ("dashboards preview", "--prometheus", url, "-o", path),
        ("dashboards check", "--prometheus", url),
    ):
        with pytest.raises(CommandError) as caught:
            commands.run(*words)
        assert str(caught.value) == (
            f"Prometheus at {url}: got no answer ([Errno 111] Connection refused); expected one "
            "within 30 s. Look whether it runs, and correct the address."
        )
    assert not path.exists()


def test_a_server_without_our_metrics_is_one_clear_line(tmp_path: Path) -> None:
    """A page without a single value would look like calm."""
    path = tmp_path / "page.html"
    with Listener(lambda _: []) as listener, pytest.raises(CommandError) as caught:
        commands.run("dashboards preview", "--prometheus", listener.url, "-o", path)
    assert str(caught.value) == (
        f"Prometheus at {listener.url}: got no data for any panel in the last 6h; expected the "
        "metrics of a model. Look whether it scrapes your service: `tidegauge doctor` there, and "
        "Status > Targets here."
    )
    assert not path.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--model", "frod"],
            "--model: got 'frod'; expected one of the 1 models that have been seen. The nearest "
            "is 'fraud'. Correct the name.",
        ),
        (
            ["--since", "1m"],
            "--since: got '1m'; expected 5m to 31d, with m, h or d. Leave it out for 6h.",
        ),
        (
            ["--since", "yesterday"],
            "--since: got 'yesterday'; expected 5m to 31d, with m, h or d. Leave it out for 6h.",
        ),
        (
            ["--prometheus", "localhost:9090"],
            "--prometheus: got 'localhost:9090' from the argument; expected the http or https "
            "address of a Prometheus. For example: http://localhost:9090.",
        ),
        (
            ["--prometheus", "http://me:secret@localhost:9090"],
            "--prometheus: got more than an address of localhost from the argument; expected no "
            "credentials and no query in it. Pass credentials by --auth-file or --auth-env.",
        ),
    ],
)  # fmt: skip
def test_a_wrong_option_is_one_clear_line(words: list[str], message: str, tmp_path: Path) -> None:
    """An error names the option, what it got and what it takes."""
    path = tmp_path / "page.html"
    with Listener(full) as listener, pytest.raises(CommandError) as caught:
        commands.run("dashboards preview", "--prometheus", listener.url, "-o", path, *words)
    assert message == str(caught.value)
    assert not path.exists()


def test_what_is_no_prometheus_is_one_clear_line(tmp_path: Path) -> None:
    """An address that answers something else is told apart from one that does not answer."""
    with Listener(full) as listener, pytest.raises(CommandError) as caught:
        commands.run(
            "dashboards preview", "--prometheus", f"{listener.url}/grafana", "-o", tmp_path / "p"
        )
    assert str(caught.value) == (
        f"Prometheus at {listener.url}/grafana: got HTTP 404; expected an answer of its API. "
        "Correct the address."
    )


def test_a_folder_is_no_page(tmp_path: Path) -> None:
    """The page is one file."""
    with Listener(full) as listener, pytest.raises(CommandError) as caught:
        commands.run("dashboards preview", "--prometheus", listener.url, "-o", tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: got a folder; expected a file. Name the page: page.html."
    )
    assert "-o page.html" in PREVIEW.example


@pytest.mark.parametrize(
    ("words", "library", "extra"),
    [
        (["dashboards render", "grafana", "-o", "."], "grafana_foundation_sdk", "grafana"),
        (["dashboards check"], "promql_parser", "check"),
    ],
)
def test_a_library_that_is_not_installed_is_one_clear_line(
    words: list[str], library: str, extra: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The message has the command that installs it; nothing is written."""
    monkeypatch.chdir(tmp_path)
    for name in list(sys.modules):
        if name.startswith(("tidegauge_alerting.grafana.", f"{library}.")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(CommandError) as caught:
        commands.run(*words)
    assert str(caught.value) == (
        f"{library}: not installed; expected it for this command. "
        f"pip install 'tidegauge-alerting[{extra}]'"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_token_is_sent(tmp_path: Path) -> None:
    """Most hosted Prometheus let nobody in without one; it stands in a file, never in a page."""
    token = tmp_path / "token"
    token.write_text("glc_secret\n")
    page = tmp_path / "page.html"
    with Listener(full) as listener:
        words = ("--prometheus", listener.url, "-o", page, "--auth-file", token)
        terminal = commands.run("dashboards preview", *words)
    assert terminal.status == 0
    assert set(listener.authorizations) == {"Bearer glc_secret"}
    assert "glc_secret" not in page.read_text()
