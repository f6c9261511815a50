"""The page of a report: whole, alone, readable."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tidegauge_drift import CompareSettings, DriftReport, build, compare
from tidegauge_drift.report import words
from tidegauge_drift.report.result import FeatureReport, Statistic

EVIL = "<script>alert('x')</script>"
LONG = "a name that a pipeline of joins has made, " * 3
_VOID = {"meta", "input", "link", "br", "hr", "img"}


def _report(features: int = 6, *, profile: bool = False) -> DriftReport:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            EVIL: rng.normal(size=2_000),
            LONG: rng.poisson(3, 2_000),
            'quoted "& more"': pd.Series(
                rng.choice(np.array(["<b>", "&amp;", "c\ud800"], object), 2_000), dtype=object
            ),
            "": rng.lognormal(size=2_000),
            "id": [f"s{i}" for i in range(2_000)],
            "at\u2028\x00": rng.random(2_000) < 0.5,
            **{f"x{i}": rng.normal(size=2_000) for i in range(features - 6)},
        }
    )
    current = frame[:500].copy()
    current[EVIL] += 1.0
    current.loc[:49, LONG] = np.nan
    outputs = CompareSettings(outputs=['quoted "& more"'])
    if profile:
        return compare(build(frame), current)
    return compare(frame, current, settings=outputs)


class _Page(HTMLParser):
    """Checks that every element is closed where it should be, and keeps what a reader sees."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.text = ""
        self.attributes: list[tuple[str, str, str]] = []
        self.tags: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


@pytest.mark.parametrize("profile", [False, True])
def test_the_page_is_well_formed_and_has_every_feature(profile: bool) -> None:
    """Each has a row, a chapter, its verdict in words and its reason."""
    report = _report(profile=profile)
    page = _Page(report.to_html())

    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(set(ids)) == len(ids)
    for i, feature in enumerate(report.features):
        assert f"f{i}" in ids
        name = feature.name.replace("\x00", "\ufffd")
        assert page.text.count(name or "(no name)") >= 2
        assert words.explanation(feature, report.alpha) in page.text
    targets = {value for tag, name, value in page.attributes if (tag, name) == ("a", "href")}
    assert targets == {"#features"} | {f"#f{i}" for i in range(len(report.features))}
    assert words.headline(report) in page.text
    named = {value for _, name, value in page.attributes if name == "aria-labelledby"}
    assert all(key in ids for value in named for key in value.split())


def test_the_page_reads_runs_and_sends_nothing() -> None:
    """No address, no script, nothing embedded: also not by way of a feature's name."""
    html = _report().to_html()
    html.encode("utf-8")
    page = _Page(html)

    assert "default-src 'none'" in html
    assert {"script", "link", "img", "iframe", "object", "form"}.isdisjoint(page.tags)
    assert not [name for _, name, _ in page.attributes if name.startswith("on") or name == "src"]
    assert re.search(r"https?:|//[a-z]|@import|url\(", html) is None
    assert EVIL not in html
    assert EVIL in page.text


def test_a_verdict_never_rests_on_colour_alone() -> None:
    """Each state has a word and a mark of its own; both modes have all colours."""
    html = _report().to_html()
    style = html.partition("<style>")[2].partition("</style>")[0]
    light, _, dark = style.partition("@media (prefers-color-scheme: dark)")

    colours = re.compile(r"(--[a-z-]+): #")
    assert set(colours.findall(light)) == set(colours.findall(dark))
    assert set(re.findall(r"var\((--[a-z-]+)\)", style)) <= set(colours.findall(light))
    for word in ("Drifted", "No drift", "No verdict", "missing"):
        assert word in _Page(html).text
    assert html.count('role="img"') == html.count("<desc ")


def test_two_hundred_features_make_a_page_of_reasonable_size() -> None:
    """Under 10 KB a feature; only flagged ones are unfolded."""
    report = _report(200)
    html = report.to_html()

    assert len(html) < 10_000 * 200
    assert html.count("<details") == 200
    assert html.count(" open>") == sum(feature.flagged for feature in report.features) == 2


@pytest.mark.parametrize(
    ("current", "headline"),
    [
        ({"a": np.arange(100.0) % 7}, "No drift in 1 feature"),
        ({"a": np.arange(10.0) % 7}, "No feature could be judged"),
        ({"b": np.arange(100.0)}, "1 missing from current"),
        ({"a": np.arange(100.0) % 7 + 3}, "1 of 1 features drifted, the data quality of 1 changed"),
    ],
)
def test_the_headline_says_what_a_reader_must_know(
    current: dict[str, object], headline: str
) -> None:
    """Also where nothing could be said."""
    report = compare(pd.DataFrame({"a": np.arange(100.0) % 7}), pd.DataFrame(current))

    assert words.headline(report) == headline
    _Page(report.to_html())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, words.NOTHING), (0.0, "0"), (1234567.0, "1,234,567"), (0.0123456, "0.01235"),
        (-1234.56, "-1,235"), (1.5e-9, "1.5e-09"), (1e300, "1e+300"), (740523.4, "740,523"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_people_read_them(value: float | None, text: str) -> None:
    """Four digits, thousands apart, powers of ten only where they must be."""
    assert text == words.number(value)


def test_shares_are_never_rounded_to_none_or_all() -> None:
    """0 % is exactly none."""
    shares = (0.0, 1e-6, 0.0092, 0.5, 1 - 1e-6, 1.0)
    expected = ["0 %", "< 0.01 %", "0.92 %", "50.0 %", "> 99.99 %", "100 %"]
    assert expected == [words.percent(share).replace("\u00a0", " ") for share in shares]


@pytest.mark.parametrize(
    ("drifted", "p", "effect", "said"),
    [
        (True, 1e-9, 2.0, "Drifted: KS 0.1, floor 0.05; p = 1e-09 after correction."),
        (True, 0.0, 2.0, "Drifted: KS 0.1, floor 0.05; p < 1e-300 after correction."),
        (False, 0.01, 0.5, "No drift: the change is certain (p = 0.01) but small (KS 0.025, "
         "floor 0.05)."),
        (False, 0.4, 1.5, "No drift: rows like these change that much by chance (p = 0.4; KS "
         "0.075, floor 0.05)."),
        (False, 0.4, 0.5, "No drift: p = 0.4 after correction; KS 0.025, floor 0.05."),
    ],
)  # fmt: skip
def test_every_verdict_has_its_sentence(drifted: bool, p: float, effect: float, said: str) -> None:
    """What decided comes first."""
    feature = FeatureReport(
        "x", "inputs", "numeric", drifted, "", effect, "ks", p, p, (1000.0, 1000.0)
    )  # fmt: skip
    assert said == words.explanation(feature, 0.05)


def test_a_note_says_what_decided() -> None:
    """Only where the verdict is not what one number alone would say."""

    def note(p: float, effect: float, rows: float = 1000.0) -> str:
        drifted = p <= 0.05 and effect >= 1
        both = (rows, rows)
        feature = FeatureReport("x", "inputs", "numeric", drifted, "", effect, "ks", p, p, both)
        return words.brief(feature, 0.05)

    assert [note(0.01, 2), note(0.4, 0.5)] == ["", ""]
    assert [note(0.01, 0.5), note(0.4, 2)] == ["certain, but small", "by chance"]
    assert [note(0.4, 2, 50), note(0.01, 2, 50)] == ["by chance, low power", "low power"]


def test_few_rows_are_said_to_have_little_power() -> None:
    """Between 30 and 300."""
    feature = FeatureReport("x", "inputs", "numeric", False, "", 0.5, "ks", 1, 1, (1000.0, 42.0))
    assert words.explanation(feature, 0.05).endswith("Low power: 42 rows; small changes need 300.")


def test_what_all_features_say_together_is_on_the_page() -> None:
    """With the reason where there is no number."""
    report = _report()
    statistics = {
        "mmd": Statistic(0.0123, "", 0.002),
        "classifier_auc": Statistic(None, "needs scikit-learn"),
    }
    together = DriftReport(
        report.reference, report.current, report.features, multivariate=statistics
    )
    text = _Page(together.to_html()).text

    assert "Maximum mean discrepancy" in text
    assert "p = 0.002" in text
    assert "needs scikit-learn" in text


def _picture(browser: str, page: Path, width: int) -> bytes:
    picture = page.with_suffix(f".{width}.png")
    done = subprocess.run(
        [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
            f"--user-data-dir={page.parent / 'browser'}", f"--window-size={width},1600",
            f"--screenshot={picture}", page.as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert "CONSOLE" not in done.stderr
    return picture.read_bytes()


@pytest.mark.backends
def test_a_browser_shows_the_page(tmp_path: Path) -> None:
    """Headless Chromium draws it, wide and narrow, without a complaint; far more than nothing."""
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("chromium is not installed")
    page, blank = tmp_path / "report.html", tmp_path / "blank.html"
    page.write_text(_report().to_html(), encoding="utf-8")
    blank.write_text("<!DOCTYPE html><title>blank</title>", encoding="utf-8")
    for width in (1280, 480):
        assert len(_picture(browser, page, width)) > 5 * len(_picture(browser, blank, width))
