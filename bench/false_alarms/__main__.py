"""Measure how often clean rows alarm, and how late moved ones do.

``python bench/false_alarms live`` and so on, one table each; ``render`` writes the page of the
docs. What was measured is kept: a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(1, str(Path(__file__).parent.parent))
import caution
import days
import live
import page
import rules

ROOT = Path(__file__).parents[2]


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser("false_alarms", description=__doc__)
    parser.add_argument("what", choices=sorted(COMMANDS))
    parser.add_argument("--quick", action="store_true", help="a few draws of each: seconds")
    parser.add_argument(
        "--first", type=int, default=0, metavar="N",
        help="number of the first model, whose seed it is: others than those before are fresh ones",
    )  # fmt: skip
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    parser.add_argument(
        "--results", type=Path, default=ROOT / "build" / "false_alarms", help="folder of results"
    )
    parser.add_argument(
        "--evidently", default="", metavar="PYTHON",
        help="an interpreter that has evidently==0.7.23 and pandas<3, in an environment of its own",
    )  # fmt: skip
    parser.add_argument("--data", type=Path, help="folder of elec2.csv.gz and bikeshare.csv.gz")
    given = parser.parse_args()
    COMMANDS[given.what](given)
    return 0


COMMANDS = {
    "live": live.run,
    "delay": live.run_delays,
    "caution": caution.run,
    "rules": rules.run,
    "days": days.run,
    "render": page.render,
}

if __name__ == "__main__":
    sys.exit(main())
