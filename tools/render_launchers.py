"""Write docs/reference/launchers.md from what ``tox run -e launchers`` has just seen."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pages import write_or_check
from tidegauge_testkit.launches import Row, table

SEEN = Path(__file__).parent.parent / "build" / "launchers.json"
HEAD = """\
# Launchers

Written by `tox run -e launchers`: real servers with 4 workers, an app that knows nothing of \
Tidegauge, and HTTP clients that know what they sent.

Each line is a fault in the middle of the requests.
`sent` were answered with 200; `failed` had no answer because a process ended under them, and may \
have been predicted or not.
`counted` is what `/metrics` shows for all processes together.
In the last line of a launch it is what an OTLP receiver got, as deltas, until no process was left.
A process that ends by SIGKILL may take what it predicted in its last second with it, and no more.
The leader is killed when an interval has just arrived: one that it is sending may go with it.
After SIGUSR2 the new arbiter of gunicorn is a group of its own: its line and the last one compare \
with what the receiver got from both.
`--max-requests` and `--limit-max-requests` go on until as many workers have been replaced as \
there are, and two more windows of drift have closed over all; `files` are the group's then.
What a launcher cannot do has no line: `multiprocessing` and LitServe neither reload nor replace \
their workers, uvicorn does not start a second launch.
A line that says WRONG is a fault of Tidegauge, and a launch without a last line did not get there.

"""


def render(seen: dict[str, object]) -> str:
    """Return the page."""
    rows = [Row.from_json(row) for row in seen["rows"]]  # type: ignore[attr-defined]
    versions = ", ".join(f"{name} {found}" for name, found in seen["versions"].items())  # type: ignore[attr-defined]
    remark = f"\n{seen['remark']}\n" if "remark" in seen else ""
    return f"{HEAD}Seen with {versions}.\n{remark}\n{table(rows)}"


if __name__ == "__main__":
    if not SEEN.is_file():
        raise SystemExit(f"{SEEN.name} is not there: tox run -e launchers")
    sys.exit(write_or_check("launchers.md", render(json.loads(SEEN.read_text("utf-8")))))
