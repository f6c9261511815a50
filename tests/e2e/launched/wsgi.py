"""A scoring service in WSGI."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from scoring import score

JOB = Path(__file__).parent / "job.py"


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer ``POST /score``; ``POST /job`` first runs another program to its end."""
    path = environ["PATH_INFO"]
    if environ["REQUEST_METHOD"] != "POST" or path not in ("/score", "/job"):
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"POST /score\n"]
    body = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    if path == "/job":
        subprocess.run([sys.executable, str(JOB)], check=True, timeout=60)
    content = json.dumps(score(body)).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(content)))]
    start_response("200 OK", headers)
    return [content]
