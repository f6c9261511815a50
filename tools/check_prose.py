"""Refuse what a user would stumble over: unfinished work, and paths of one machine."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
_SELF = {"tools/check_prose.py"}
_BANNED = {
    "unfinished work": re.compile(r"\b(TODO|FIXME|XXX)\b|NotImplementedError"),
    "a conflict of two versions": re.compile(r"^(<{7}|>{7})( |$)"),
    "a path of one machine": re.compile(r"(?<![\w.-])/(work|root)/"),
}
_MAX_LINES = 500


def main() -> int:
    """Check every file that git tracks; status 1 where one is refused."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split("\n")
    failed = 0
    for name in filter(None, listed):
        path = ROOT / name
        if name in _SELF or not path.is_file():
            continue
        try:
            lines = path.read_text("utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        if path.suffix == ".py" and len(lines) > _MAX_LINES:
            print(f"{name}: {len(lines)} lines; split it below {_MAX_LINES}")
            failed = 1
        for number, line in enumerate(lines, 1):
            for reason, pattern in _BANNED.items():
                if pattern.search(line):
                    print(f"{name}:{number}: {reason}: {line.strip()[:80]}")
                    failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
