"""Run each integration's tests with the oldest and with the newest versions of its library.

What passed with the newest is written into the integration's ``pyproject.toml``; the docs list it.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from integration_list import ROOT, Integration, all_integrations
from packaging.version import Version

EXAMPLE = """\
examples:
  python tools/check_versions.py                     all integrations, one after the other
  python tools/check_versions.py sklearn xgboost     these two
  python tools/check_versions.py --only oldest sklearn
"""
_END = "[tool.tidegauge.newest]"


def main() -> int:
    """Test, print a line for each, and write what is newest; status 1 where tests fail."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="a folder of integrations")
    parser.add_argument("--only", choices=("oldest", "latest"), help="one end of the versions")
    chosen = parser.parse_args()
    known = {each.name: each for each in all_integrations()}
    unknown = sorted(set(chosen.names) - set(known))
    if unknown:
        print(
            f"NAME: got {unknown[0]!r} from the argument; expected one of {', '.join(known)}.",
            file=sys.stderr,
        )
        return 2
    failed = False
    for name in chosen.names or known:
        for end in (chosen.only,) if chosen.only else ("oldest", "latest"):
            failed |= not tested(known[name], end)
    return int(failed)


def tested(integration: Integration, end: str) -> bool:
    """Run the tests of one integration at one end of its versions."""
    done = subprocess.run(
        ["tox", "run", "-q", "-e", f"pkg-{end}"],
        cwd=ROOT,
        env={**os.environ, "PKG": f"integrations/{integration.name}"},
        check=False,
    )
    found = versions(integration, end)
    said = ", ".join(f"{library} {version}" for library, version in found.items())
    wrong = [
        library
        for library, version in found.items()
        if end == "oldest" and Version(version) != Version(integration.oldest[library])
    ]
    passed = done.returncode == 0 and not wrong and bool(found)
    print(
        f"{integration.name} {end}: {said or 'nothing installed'}: {'ok' if passed else 'FAILED'}"
    )
    for library in wrong:
        print(f"  {library}: the lower bound {integration.oldest[library]} is not what was tested")
    if passed and end == "latest":
        write(integration.folder / "pyproject.toml", found)
    return passed


def versions(integration: Integration, end: str) -> dict[str, str]:
    """Return which versions of its libraries the environment of the tests has."""
    code = (
        "import sys\nfrom importlib.metadata import PackageNotFoundError, version\n"
        "for name in sys.argv[1:]:\n"
        "    try:\n        print(name, version(name))\n"
        "    except PackageNotFoundError:\n        pass\n"
    )
    python = ROOT / ".tox" / f"pkg-{end}" / "bin" / "python"
    if not python.exists():
        return {}
    done = subprocess.run(
        [python, "-c", code, *integration.oldest], capture_output=True, text=True, check=True
    )
    return dict(line.split() for line in done.stdout.splitlines())  # type: ignore[misc]


def write(path: Path, found: dict[str, str]) -> None:
    """Write the newest versions that the tests passed with, where they are not the same."""
    text = path.read_text("utf-8")
    known = tomllib.loads(text).get("tool", {}).get("tidegauge", {}).get("newest", {})
    if known == found:
        return
    lines = "\n".join(f'{library} = "{version}"' for library, version in found.items())
    block = f"{_END}   # written by tools/check_versions.py\n{lines}\n"
    text = re.sub(rf"\n*^{re.escape(_END)}[^\[]*", "\n\n", text, flags=re.MULTILINE)
    path.write_text(f"{text.rstrip()}\n\n{block}", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
