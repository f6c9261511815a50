"""Run mypy --strict over every package, each by itself: their test modules may share names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def main() -> int:
    """Check all packages; status 1 where one fails."""
    failed = 0
    for project in sorted([*ROOT.glob("packages/*/src"), *ROOT.glob("integrations/*/src")]):
        folder = project.parent
        targets = [str(project)]
        if (folder / "tests").is_dir():
            targets.append(str(folder / "tests"))
        print(f"mypy {folder.relative_to(ROOT)}", flush=True)
        # The library that an integration is for may have no types: it needs no line elsewhere.
        options = ["--ignore-missing-imports"] if folder.parent.name == "integrations" else []
        failed |= subprocess.run(
            [sys.executable, "-m", "mypy", *options, *targets], check=False
        ).returncode
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
