"""Start an integration: its folder, contract, how-to page and changelog line."""

from __future__ import annotations

import argparse
import keyword
import re
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).parent.parent
TEMPLATE = Path(__file__).parent / "integration_template"

EXAMPLE = """\
example:
  python tools/new_integration.py lightgbm --title LightGBM --at-least 4.0
  python tools/new_integration.py sklearn --title scikit-learn --distribution scikit-learn

then:
  uv sync --all-packages --all-extras --group check
  pytest -x integrations/lightgbm/tests/test_contract.py    says what is to be written, step by step
  grep -rn WRITE: integrations/lightgbm docs/how-to/lightgbm.md changelog.d/lightgbm.added.md
  python tools/render_integrations.py                       enters it in the list of the docs
  python tools/check_versions.py lightgbm                   tests its oldest and newest version
"""


class RefusedError(Exception):
    """An argument is wrong; the text says what to do."""


def main() -> int:
    """Write the files; status 2 where an argument is wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", metavar="NAME", help="what Python code imports: lightgbm")
    parser.add_argument("--title", help="what the library calls itself: LightGBM")
    parser.add_argument("--distribution", help="what pip installs, if it is not NAME: scikit-learn")
    parser.add_argument(
        "--at-least",
        metavar="VERSION",
        help="the oldest version that shall work; the one that is installed if left out",
    )
    chosen = parser.parse_args()
    distribution = chosen.distribution or chosen.name
    try:
        check(chosen.name)
        oldest = checked(chosen.at_least) if chosen.at_least else installed(distribution)
    except RefusedError as refusal:
        print(refusal, file=sys.stderr)
        return 2
    for path in write(chosen.name, chosen.title or chosen.name, distribution, oldest):
        print(path.relative_to(ROOT))
    print(f"\nNext: pytest -x integrations/{chosen.name}/tests/test_contract.py, and --help.")
    return 0


def check(name: str) -> None:
    """Refuse a name that no module can have, or that is taken."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise RefusedError(
            f"NAME: got {name!r} from the argument; expected what Python code imports, in lower "
            "case: lightgbm. Say with --distribution what pip calls it, if that differs."
        )
    for path in targets(name):
        if path.exists():
            raise RefusedError(
                f"NAME: got {name!r} from the argument; expected a name that is not taken, but "
                f"{path.relative_to(ROOT)} exists. Edit that, or delete it first."
            )


def checked(oldest: str) -> str:
    """Refuse what is no version."""
    if not re.fullmatch(r"\d+(\.\d+)*", oldest):
        raise RefusedError(
            f"--at-least: got {oldest!r} from the argument; expected a version: 4.0. Leave out "
            "operators and what follows the numbers."
        )
    return oldest


def installed(distribution: str) -> str:
    """Return the version of a distribution that is installed here."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        raise RefusedError(
            f"--at-least: got nothing, and {distribution!r} is not installed here; expected the "
            "oldest version that shall work. Pass --at-least 4.0, or --distribution with the name "
            f"that pip knows, or pip install {distribution}."
        ) from None


def targets(name: str) -> tuple[Path, Path, Path]:
    """Return the folder, the page and the changelog line of an integration."""
    return (
        ROOT / "integrations" / name,
        ROOT / "docs" / "how-to" / f"{name}.md",
        ROOT / "changelog.d" / f"{name}.added.md",
    )


def write(name: str, title: str, distribution: str, oldest: str) -> list[Path]:
    """Write the files of a new integration and return where they are."""
    folder, page, line = targets(name)
    elsewhere = {"how-to.md": page, "changelog.md": line}
    class_name = re.sub(r"\W", "", title[:1].upper() + title[1:])
    words = {
        "placeholder-distribution": distribution,
        "PLACEHOLDER": title,
        "Placeholder": class_name,
        "tidegauge-placeholder": f"tidegauge-{name}".replace("_", "-"),
        "placeholder": name,
        "0.0.0": oldest,
    }
    pattern = re.compile("|".join(map(re.escape, words)))

    def fill(text: str) -> str:
        return pattern.sub(lambda found: words[found[0]], text)

    written = []
    for source in sorted(TEMPLATE.rglob("*")):
        if not source.is_file() or "__pycache__" in source.parts:
            continue
        inner = str(source.relative_to(TEMPLATE))
        path = elsewhere.get(inner) or folder / fill(inner)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(in_order(fill(source.read_text("utf-8"))), "utf-8")
        written.append(path)
    return written


def in_order(text: str) -> str:
    """Sort the imports from Tidegauge that stand together: where a name belongs depends on it."""
    return re.sub(
        r"(?:^from tidegauge\S* import [^\n(]+\n)+",
        lambda block: "".join(sorted(block[0].splitlines(keepends=True))),
        text,
        flags=re.MULTILINE,
    )


if __name__ == "__main__":
    sys.exit(main())
