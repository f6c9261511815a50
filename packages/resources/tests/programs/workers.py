"""A launcher with workers that predict; each does what its pipe says: ``predict``, ``scrape``."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import Any

import tidegauge
from opentelemetry.sdk.metrics import MeterProvider
from tidegauge_exporter_prometheus import PrometheusReader, wsgi_app

pipes: list[tuple[int, int]] = [tuple(each) for each in json.loads(sys.argv[1])]
provider = MeterProvider([PrometheusReader(listen=False)], shutdown_on_exit=False)
scrape = wsgi_app()
models = {name: tidegauge.Model(name) for name in ("a", "b")}


def start(*_: object) -> Any:
    """Take the head of an answer."""


def work(commands: int, answers: int) -> None:
    """Obey one pipe until it closes."""
    tidegauge.attach(provider)
    with os.fdopen(commands) as asked, os.fdopen(answers, "w") as told:
        for line in asked:
            what = json.loads(line)
            answer: Any = None
            if what == "scrape":
                (body,) = scrape({"REQUEST_METHOD": "GET"}, start)
                answer = body.decode()
            elif what == "threads":
                answer = [thread.name for thread in threading.enumerate()]
            elif what == "pid":
                answer = os.getpid()
            else:
                with models[what].prediction([1.0]) as prediction:
                    prediction.output = 0.5
            print(json.dumps(answer), file=told, flush=True)
    os._exit(0)


for ours in pipes:
    if os.fork() == 0:
        for each in pipes:
            if each != ours:
                os.close(each[0])
                os.close(each[1])
        work(*ours)
for each in pipes:
    os.close(each[0])
    os.close(each[1])
signal.pause()
