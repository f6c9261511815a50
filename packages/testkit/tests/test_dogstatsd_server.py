"""The DogStatsD server refuses what Datadog would not show as it was meant."""

from __future__ import annotations

import socket
from collections import Counter

import numpy as np
import pytest
from tidegauge_testkit.backends.dogstatsd_grammar import Event, Metric, RefusedError, read
from tidegauge_testkit.backends.dogstatsd_server import DogStatsDServer, quantile

NOW_S = 1_795_000_000.0

GOOD = {
    "page.views:1|c": Metric("count", "page.views", (1.0,), 1, (), None),
    "fuel.level:0.5|g|#a:b,c": Metric("gauge", "fuel.level", (0.5,), 1, ("a:b", "c"), None),
    "song:240:-1e-3|h|@0.5": Metric("histogram", "song", (240.0, -0.001), 2, (), None),
    "d:1|d|#a:b|@0.125": Metric("distribution", "d", (1.0,), 8, ("a:b",), None),
    "g:1|g|T1795000000": Metric("gauge", "g", (1.0,), 1, (), 1_795_000_000),
}
BAD = {
    "": "a bad name",
    "no value": "a bad name",
    "1st:1|c": "a bad name",
    "größe:1|c": "a bad name",
    "a-b:1|c": "a bad name",
    "a" * 201 + ":1|c": "a bad name",
    "a:1": "a bad type",
    "a:1|x": "a bad type",
    "a:|c": "a bad number",
    "a:1::2|d": "a bad number",
    "a:nan|g": "a bad number",
    "a:1e999|g": "a bad number",
    "a:+1|g": "a bad number",
    "a:1|g|@0.5": "a sample rate where none may be",
    "a:1|d|@0": "a bad sample rate",
    "a:1|d|@2": "a bad sample rate",
    "a:1|d|@0.3": "a sample rate that counts no whole times",
    "a:1|d|T1795000000": "a time where none may be",
    "a:1|g|T0": "a bad time",
    "a:1|g|T1795000601": "a time that is not taken",
    "a:1|g|T1794996399": "a time that is not taken",
    "a:1|g|#": "a bad tag",
    "a:1|g|#a,,b": "a bad tag",
    "a:1|g|#1:b": "a bad tag",
    "a:1|g|#a:b c": "a bad tag",
    "a:1|g|#a:": "a bad tag",
    "a:1|g|#a:" + "b" * 199: "a tag that is too long",
    "a:1|g|#a:1,a:2": "a key with two values",
    "a:1|g|#a:1|#b:1": "a field that comes twice",
    "a:1|g|x:1": "an unknown field",
    "_e{1,1}:a": "lengths that are not those of an event",
    "_e{1,1}:ab|c": "lengths that are not those of an event",
    "_e{1,1}:a|b|t:loud": "a bad alert type",
    "_e{1,1}:a|b|q:1": "an unknown field",
    "_e{x}:a|b": "a bad event",
}


@pytest.mark.parametrize("line", GOOD)
def test_good_lines_are_read(line: str) -> None:
    """Values, how often, tags, time."""
    assert [GOOD[line]] == read(line.encode(), NOW_S)


@pytest.mark.parametrize("line", BAD)
def test_bad_lines_are_refused(line: str) -> None:
    """With the reason and the line."""
    with pytest.raises(RefusedError, match=BAD[line]):
        read(line.encode(), NOW_S)


def test_a_packet_may_be_as_long_as_the_agent_reads() -> None:
    """And is read as a whole: one bad line refuses it."""
    assert 2 == len(read(b"a:1|c\nb:1|c", NOW_S))
    with pytest.raises(RefusedError, match="a packet of 8193 bytes"):
        read(b"x" * 8193, NOW_S)
    with pytest.raises(RefusedError, match="a bad name"):
        read(b"a:1|c\n\n", NOW_S)


def test_events_are_read() -> None:
    """Their lengths are of bytes."""
    (event,) = read("_e{4,5}:Grö|a\\nbc|t:error|k:x|#a:b".encode(), NOW_S)
    assert Event("Grö", "a\nbc", ("a:b",), {"t": "error", "k": "x"}) == event
    with pytest.raises(RefusedError):
        read("_e{3,5}:Grö|a\\nbc".encode(), NOW_S)


def test_what_came_is_added_up() -> None:
    """As the Agent does: counts add, of gauges the last, of distributions how often."""
    with DogStatsDServer() as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        host, _, port = server.url.removeprefix("udp://").rpartition(":")
        for packet in (b"c:1|c|#b:1,a:1\ng:1|g", b"c:2|c|#a:1,b:1\ng:3|g\nd:1:2|d|@0.5", b"bad"):
            sender.sendto(packet, (host, int(port)))
        server.wait_for(lambda: len(server.packets) == 3, "three packets")
        assert {("a:1", "b:1"): 3.0} == server.counts("c")
        assert {(): 3.0} == server.gauges("g")
        assert {(): Counter({1.0: 2, 2.0: 2})} == server.seen("d")
        assert ["a bad name: b'bad'"] == server.refused


def test_quantiles_are_those_of_the_sketch() -> None:
    """Within half a bucket, 0.8 %, of the exact ones."""
    values = np.random.default_rng(5).lognormal(-4, 1.5, 5000)
    seen = Counter(values.tolist())
    for q in (0.5, 0.95, 0.99):
        exact = np.quantile(values, q, method="lower")
        assert pytest.approx(exact, rel=0.008) == quantile(seen, q)
