"""Which name and version a model object goes by, and when an object is gone.

Explicit > registry metadata > ``TIDEGAUGE_MODEL_NAME`` > loaded file > class name. Never a path.
"""

from __future__ import annotations

import weakref
from dataclasses import replace
from typing import Any

from tidegauge import model_file
from tidegauge.batch import ModelKey
from tidegauge.configuration import CoreSettings, named
from tidegauge.guard import once
from tidegauge.info import ModelInfo, Role

# Names come from users and registries: long enough for any, short enough for a label.
_MAX_NAME = 200

_explicit: dict[int, tuple[str, str, str]] = {}
_registered: dict[int, tuple[str, str]] = {}
_files: dict[int, str] = {}
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
        _registered.pop(key, None)
        _files.pop(key, None)
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


def registered(model: object, name: str, version: str = "") -> None:
    """Remember which name and version a registry has for an object that was loaded from it."""
    if watch(model):
        _registered[id(model)] = (name, version)
        changed(model)


def loaded(model: object, file: object, part: str = "") -> None:
    """Remember the base name of the file, a path or an open file, that an object came from.

    ``part`` tells the models of one file apart. What is filled anew from something without a name
    has none from then on.
    """
    name = model_file.part_of(model_file.base_name(file), part)
    if name and watch(model):
        _files[id(model)] = name
    else:
        _files.pop(id(model), None)
    changed(model)


def adopt(model: object, other: object) -> None:
    """Let an object go by the name and file of one that it stands for, if it has none itself."""
    places: tuple[dict[int, Any], ...] = (_explicit, _registered, _files)
    given = [known for known in places if id(other) in known]
    if given and watch(model):
        for known in given:
            known.setdefault(id(model), known[id(other)])
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
    file = info.file or _files.get(id(model), "")
    name, version = _registered.get(id(model), (info.name, info.version))
    version = version or _of_file(settings.model_version, file)
    name = name or _by_environment(info, file, settings)
    name = name or model_file.model_name(file) or info.class_name
    return ModelKey(clean_name(name), clean_name(version)), info.role


def _of_file(text: str, file: str) -> str:
    """Return what a setting gives a file, or all that it does not name."""
    if "=" not in text:
        return text
    pairs = named(text)
    own = (given for pattern, given in pairs.items() if model_file.same(pattern, file))
    return next(own, pairs.get("", ""))


def _by_environment(info: ModelInfo, file: str, settings: CoreSettings) -> str:
    name = _of_file(settings.model_name, file)
    if name and name == named(settings.model_name).get(""):
        _named_by_environment.add((info.class_name, info.feature_names))
        if len(_named_by_environment) > 1:
            once(
                "identity.shared_name",
                "TIDEGAUGE_MODEL_NAME: %d different models of this process share the name %r, so "
                "their metrics are mixed. Name them apart: tidegauge.set_model_info(model, name), "
                "or TIDEGAUGE_MODEL_NAME=<file>=<name>,<file>=<name>.",
                len(_named_by_environment),
                name,
            )
    return name


def clean_name(name: str) -> str:
    """Return a name as metrics carry it."""
    return name.strip()[:_MAX_NAME]
