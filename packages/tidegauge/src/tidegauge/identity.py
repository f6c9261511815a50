"""Which name and version a model object goes by, and when an object is gone.

Explicit > registry metadata > ``TIDEGAUGE_MODEL_NAME`` > class name. Never a path.
"""

from __future__ import annotations

import weakref
from dataclasses import replace
from typing import Any

from tidegauge.batch import ModelKey
from tidegauge.configuration import CoreSettings
from tidegauge.guard import once
from tidegauge.info import ModelInfo, Role

# Names come from users and registries: long enough for any, short enough for a label.
_MAX_NAME = 200

_explicit: dict[int, tuple[str, str, str]] = {}
_references: dict[int, weakref.ref[Any]] = {}
_named_by_environment: set[tuple[str, tuple[str, ...] | None]] = set()


class Cache(dict[int, Any]):
    """A dict that can be referenced weakly: it goes when whoever asked for it goes."""

    __slots__ = ("__weakref__",)


_caches: weakref.WeakValueDictionary[int, Cache] = weakref.WeakValueDictionary()


def new_cache() -> Cache:
    """Return a dict keyed by ``id(object)`` from which objects vanish when they die or change."""
    cache = Cache()
    _caches[id(cache)] = cache
    return cache


def _living() -> list[Cache]:
    # ``valuerefs`` copies in one step: caches are made and go on any thread.
    return [cache for ref in _caches.valuerefs() if (cache := ref()) is not None]


def watch(model: object) -> bool:
    """Arrange that ``model`` leaves all caches when it dies; False where it cannot be watched."""
    key = id(model)
    if key in _references:
        return True

    def gone(_: object, key: int = key) -> None:
        _references.pop(key, None)
        _explicit.pop(key, None)
        for cache in _living():
            cache.pop(key, None)

    try:
        _references[key] = weakref.ref(model, gone)
    except TypeError:
        return False
    return True


def changed(model: object) -> None:
    """Forget what is cached of an object: it was fitted again, or named."""
    for cache in _living():
        cache.pop(id(model), None)


def forget_all() -> None:
    """Empty all caches: this is a forked child, or a test."""
    for cache in _living():
        cache.clear()


def set_model_info(model: object, name: str, version: str = "", *, role: str = "") -> None:
    """Name a model object, before or after its first prediction.

    Parameters
    ----------
    model : object
        The object whose ``predict`` is called.
    name, version : str
        What its metrics carry as ``model_name`` and ``model_version``.
    role : str
        ``live``, ``canary`` or ``shadow``; by default what ``TIDEGAUGE_MODEL_ROLE`` says.

    Raises
    ------
    ValueError
        ``name`` is empty, or ``role`` is another one.
    TypeError
        The object cannot be referenced weakly, so nobody would notice when it is gone.
    """
    if not isinstance(name, str) or not name.strip():
        raise ValueError(
            f"set_model_info name: got {name!r} from the argument; expected a non-empty text. "
            "Pass the name that alerts should show."
        )
    checked_role("set_model_info", role)
    if not watch(model):
        raise TypeError(
            f"set_model_info model: got a {type(model).__name__} from the argument; expected an "
            "object that can be weakly referenced. Use tidegauge.Model(name) around the call."
        )
    _explicit[id(model)] = (clean_name(name), clean_name(str(version)), role)
    changed(model)


def checked_role(subject: str, role: str) -> str:
    """Return a role that an argument gave, empty where it gave none; ValueError for others."""
    if role and role not in tuple(Role):
        raise ValueError(
            f"{subject} role: got {role!r} from the argument; expected one of {', '.join(Role)}. "
            "Leave it out for the version that answers."
        )
    return role


def resolve(model: object, info: ModelInfo, settings: CoreSettings) -> ModelKey:
    """Return the key of a model object by the documented precedence."""
    key, role = _named(model, info, settings)
    given = dict(settings.model_role)
    places = (f"{key.name}:{key.version}", key.name, "")
    found = role or next((given[place] for place in places if place in given), Role.LIVE)
    return replace(key, role=str(found))


def _named(model: object, info: ModelInfo, settings: CoreSettings) -> tuple[ModelKey, str]:
    """Return a model's key, and the role that the app has given it."""
    explicit = _explicit.get(id(model))
    if explicit is not None:
        return ModelKey(*explicit[:2]), explicit[2]
    if info.name:
        version = clean_name(info.version or settings.model_version)
        return ModelKey(clean_name(info.name), version), info.role
    version = clean_name(settings.model_version)
    if settings.model_name:
        _named_by_environment.add((info.class_name, info.feature_names))
        if len(_named_by_environment) > 1:
            once(
                "identity.shared_name",
                "TIDEGAUGE_MODEL_NAME: %d different models of this process share the name %r, so "
                "their metrics are mixed. Name them apart: tidegauge.set_model_info(model, name).",
                len(_named_by_environment),
                settings.model_name,
            )
        return ModelKey(clean_name(settings.model_name), version), info.role
    return ModelKey(clean_name(info.class_name), version), info.role


def clean_name(name: str) -> str:
    """Return a name as metrics carry it."""
    return name.strip()[:_MAX_NAME]
