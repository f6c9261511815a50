"""The tags that everything of a process has: those by which Datadog ties its products together.

``env``, ``service`` and ``version`` come from ``DD_ENV``, ``DD_SERVICE`` and ``DD_VERSION``, else
from ``DD_TAGS``, else from OpenTelemetry's resource.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tidegauge_exporter_datadog.naming import tag

_FROM_RESOURCE = {
    "env": ("deployment.environment.name", "deployment.environment"),
    "service": ("service.name",),
    "version": ("service.version",),
}
# What the SDK calls a service that nobody has named; as a tag it would only be in the way.
_UNNAMED = "unknown_service"


@dataclass(frozen=True, slots=True)
class UnifiedTags:
    """What the settings say: ``env``, ``service``, ``version``, and clean tags of the user's."""

    env: str = ""
    service: str = ""
    version: str = ""
    tags: tuple[str, ...] = ()

    def of(self, resource: Mapping[str, object]) -> dict[str, str]:
        """Return the tags of all points of a resource, by their keys."""
        found = {each.partition(":")[0]: each for each in self.tags}
        for key, attributes in _FROM_RESOURCE.items():
            said = getattr(self, key)
            if said:
                found[key] = tag(key, said)
            elif key not in found:
                values = (str(resource.get(name) or "") for name in attributes)
                value = next(filter(None, values), "")
                if not value.startswith(_UNNAMED):
                    found[key] = tag(key, value)
        return {key: each for key, each in found.items() if each}
