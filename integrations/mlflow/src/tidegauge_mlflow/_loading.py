"""Wrappers of MLflow's loaders: what is loaded goes by its name in the registry.

No question is asked of the registry: MLflow asks it while it loads, and these listen. A context
variable holds what is heard, so that loads on other threads do not mix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

from tidegauge import identity, model_file
from tidegauge.guard import guarded
from tidegauge.observe import Decorator, Silence

from tidegauge_mlflow._extract import native
from tidegauge_mlflow._source import (
    Source,
    folder_of,
    is_made_up,
    known,
    parse,
    registered_as,
    registered_in,
)


class Load:
    """What is heard while one model is loaded."""

    __slots__ = ("logged", "registered")

    def __init__(self) -> None:
        self.registered = Source()
        self.logged: Any = None


_under_way: ContextVar[Load | None] = ContextVar("tidegauge_mlflow_load", default=None)


class Loads(Silence):
    """What the wrappers of the loaders share."""

    __slots__ = ()

    def name(
        self, model: object, args: tuple[Any, ...], kwargs: dict[str, Any], load: Load
    ) -> None:
        """Name what was loaded: by the registry, else by what it was loaded from."""
        with guarded("load.mlflow"):
            source = _source(args[0] if args else kwargs.get("model_uri"), load, model)
            for each in _objects(model):
                if source.name:
                    identity.registered(each, source.name, source.version)
                elif source.file:
                    identity.loaded(each, source.file)


def loader() -> Decorator:
    """Return the decorator of a ``load_model``. What predicts while it loads serves nobody."""
    loads = Loads()

    def decorate(original: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            load = Load()
            silenced, opened = loads.begin(), _under_way.set(load)
            try:
                result = original(*args, **kwargs)
            finally:
                _under_way.reset(opened)
                loads.end(silenced, ())
            loads.name(result, args, kwargs, load)
            return result

        wrapper.__tidegauge__ = loads  # type: ignore[attr-defined]
        return wrapper

    return decorate


class Hearings(Silence):
    """What the wrappers of a method share that MLflow calls while it loads."""

    __slots__ = ("_hear",)

    def __init__(self, hear: Callable[[Load, Any, Any], None]) -> None:
        super().__init__()
        self._hear = hear

    def take(self, owner: object, result: object) -> None:
        """Keep what the method says, if a model is being loaded."""
        with guarded("load.mlflow"):
            load = _under_way.get()
            if load is not None:
                self._hear(load, owner, result)


def hearer(hear: Callable[[Load, Any, Any], None]) -> Decorator:
    """Return the decorator of a method whose object or result says which model is loaded."""
    hearings = Hearings(hear)

    def decorate(original: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(self: Any, /, *args: Any, **kwargs: Any) -> Any:
            result = original(self, *args, **kwargs)
            hearings.take(self, result)
            return result

        wrapper.__tidegauge__ = hearings  # type: ignore[attr-defined]
        return wrapper

    return decorate


def hear_repository(load: Load, repository: Any, _: object) -> None:
    """Keep the version that the registry gave for an alias or a stage."""
    load.registered = known(repository.model_name, repository.model_version)


def hear_logged_model(load: Load, _: object, logged: object) -> None:
    """Keep the logged model that an id means."""
    load.logged = logged


def _source(uri: object, load: Load, model: object) -> Source:
    """Return the first that names it: the registry, the URI, what MLflow left in the folder."""
    said = parse(uri)
    for source in (load.registered, said, registered_in(folder_of(uri))):
        if source.name:
            return source
    if load.logged is not None:
        source = registered_as(load.logged.tags)
        if source.name:
            return source
    logged_as = getattr(load.logged, "name", None) or ""
    recorded = getattr(getattr(model, "metadata", None), "artifact_path", None)
    files = [said.file, str(logged_as), parse(recorded).file]
    files = [file for file in files if file and not is_made_up(file)]
    # "model" is what most are called that nobody named: any other name is better.
    return Source(file=next(filter(model_file.model_name, files), next(iter(files), "")))


def _objects(model: object) -> Iterator[object]:
    yield model
    inner = native(model)
    if inner is not None:
        yield inner
