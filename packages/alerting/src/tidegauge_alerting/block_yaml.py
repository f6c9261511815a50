"""Plain data as YAML that people can read: text of several lines is a block."""

from __future__ import annotations

from importlib.metadata import version

import yaml


def heading(header: str, made_by: str) -> str:
    """Return the first lines of a file: what it is, and how it is made again."""
    return (
        f"{header} (tidegauge-alerting {version('tidegauge-alerting')}).\n"
        "# Made by the command below; change its options and run it again, not this file.\n"
        f"#   {made_by}\n"
    )


def dump(data: object) -> str:
    """Return data as YAML, keys in their order."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000)


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines as a block, so that an expression can be read."""

    def ignore_aliases(self, _data: object) -> bool:
        """Write what stands twice twice."""
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
