"""Wraps a library's methods: declared as data, applied at the library's import, undone exactly.

A class-dict entry becomes a plain function that ``functools.wraps`` the original, so that binding
is fast and ``inspect.signature``, pickling by name and ``isinstance`` see what they saw before.
"""

from __future__ import annotations

import functools
import logging
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any

import wrapt

from tidegauge.guard import guarded, once
from tidegauge.observe import Decorator, is_live


@dataclass(frozen=True, slots=True)
class Methods:
    """Methods of one class: ``joblib.parallel``, ``Parallel``, ``{"__call__": ...}``."""

    module: str
    class_name: str
    methods: Mapping[str, Decorator]


@dataclass(frozen=True, slots=True)
class Subclasses:
    """Methods of every class derived from a base, the user's and the mixins included.

    Each class of a subclass's method resolution order is visited, because libraries put methods on
    mixins that do not derive from the base.
    """

    module: str
    base: str
    methods: Mapping[str, Decorator]


@dataclass(frozen=True, slots=True)
class Functions:
    """Functions of one module, also where their package exports them again."""

    module: str
    functions: Mapping[str, Decorator]


Patch = Methods | Subclasses | Functions


class Patcher:
    """The patches of one integration."""

    def __init__(self, patches: Iterable[Patch]) -> None:
        self._patches = tuple(patches)
        self._active = False
        self._hooked = False
        self._classes: weakref.WeakSet[type] = weakref.WeakSet()
        self._bases: list[tuple[type, object]] = []
        self._functions: list[tuple[str, str, Any]] = []

    def install(self) -> None:
        """Patch what is imported, now and later. Imports nothing itself."""
        if self._active:
            return
        self._active = True
        for patch in self._patches:
            if patch.module in sys.modules:
                self._apply(patch)
            if not self._hooked:
                # A hook can't be taken back: it asks whether it is still wanted.
                wrapt.register_post_import_hook(
                    functools.partial(self._imported, patch), patch.module
                )
        self._hooked = True

    def remove(self) -> None:
        """Put every original back: the identical objects."""
        self._active = False
        for cls in list(self._classes):
            for name in {name for patch in self._patches for name in _methods(patch)}:
                _restore(cls, name)
        self._classes.clear()
        for base, original in reversed(self._bases):
            if original is None:
                del base.__init_subclass__
            else:
                base.__init_subclass__ = original  # type: ignore[assignment]
        self._bases.clear()
        for package, name, wrapper in self._functions:
            # Also where it was exported again after the patch.
            for holder in _holders(package, name, wrapper):
                setattr(holder, name, wrapper.__wrapped__)
        self._functions.clear()

    def _imported(self, patch: Patch, _: ModuleType) -> None:
        if self._active:
            self._apply(patch)

    def _apply(self, patch: Patch) -> None:
        with guarded(f"patch.{patch.module}"):
            module = sys.modules[patch.module]
            if isinstance(patch, Functions):
                self._apply_functions(module, patch)
                return
            name = patch.base if isinstance(patch, Subclasses) else patch.class_name
            cls = getattr(module, name, None)
            if not isinstance(cls, type):
                _missing(patch.module, name)
            elif isinstance(patch, Subclasses):
                self._apply_subclasses(cls, patch)
            else:
                for method, decorator in patch.methods.items():
                    if method not in vars(cls):
                        _missing(patch.module, f"{name}.{method}")
                    self._wrap(cls, method, decorator)

    def _apply_subclasses(self, base: type, patch: Subclasses) -> None:
        def visit(cls: type) -> None:
            for owner in cls.__mro__[:-1]:
                for method, decorator in patch.methods.items():
                    self._wrap(owner, method, decorator)

        for cls in _descendants(base):
            visit(cls)
        original = vars(base).get("__init_subclass__")
        if getattr(original, "__tidegauge__", None) is patch:
            return

        parent: Any = base

        def __init_subclass__(cls: type, /, **kwargs: Any) -> None:  # noqa: N807 - Python's name
            if original is None:
                super(parent, cls).__init_subclass__(**kwargs)  # type: ignore[misc]
            else:
                original.__get__(None, cls)(**kwargs)
            if self._active:
                with guarded(f"patch.{patch.module}.subclass"):
                    visit(cls)

        hook: Any = classmethod(__init_subclass__)
        hook.__tidegauge__ = patch
        parent.__init_subclass__ = hook
        self._bases.append((base, original))

    def _apply_functions(self, module: ModuleType, patch: Functions) -> None:
        package = module.__name__.partition(".")[0]
        for name, decorator in patch.functions.items():
            original = getattr(module, name, None)
            if original is None:
                _missing(patch.module, name)
                continue
            if is_live(original):
                continue
            wrapper = _wrapper(decorator, original)
            # Packages that were imported before hold the function under the same name.
            for holder in _holders(package, name, original):
                setattr(holder, name, wrapper)
            self._functions.append((package, name, wrapper))

    def _wrap(self, owner: type, name: str, decorator: Decorator) -> None:
        value = vars(owner).get(name)
        if isinstance(value, FunctionType):
            if not is_live(value):
                setattr(owner, name, _wrapper(decorator, _unpickled(value)))
                self._classes.add(owner)
            return
        # scikit-learn's ``available_if``: the condition stays, what it guards is wrapped.
        guarded_function = getattr(value, "fn", None)
        if isinstance(guarded_function, FunctionType) and not is_live(guarded_function):
            value.fn = _wrapper(decorator, _unpickled(guarded_function))  # type: ignore[union-attr]
            self._classes.add(owner)


def _wrapper(decorator: Decorator, original: Callable[..., Any]) -> Callable[..., Any]:
    return functools.update_wrapper(decorator(original), original)


def _holders(package: str, name: str, value: object) -> list[ModuleType]:
    """Return the modules of a package that hold this very object under this name."""
    return [
        module
        for place, module in list(sys.modules.items())
        if place.partition(".")[0] == package and getattr(module, "__dict__", {}).get(name) is value
    ]


def _unpickled(function: Any) -> Any:
    """Return the original of a wrapper that came in a pickle, and any other function as it is.

    Without this, each trip through cloudpickle would add a layer.
    """
    return function.__wrapped__ if hasattr(function, "__tidegauge__") else function


def _restore(owner: type, name: str) -> None:
    value = vars(owner).get(name)
    if is_live(value):
        setattr(owner, name, value.__wrapped__)  # type: ignore[union-attr]
    elif is_live(getattr(value, "fn", None)):
        value.fn = value.fn.__wrapped__  # type: ignore[union-attr]


def _methods(patch: Patch) -> Mapping[str, Decorator]:
    return {} if isinstance(patch, Functions) else patch.methods


def _descendants(base: type) -> Iterator[type]:
    yield base
    children: list[type] = type.__subclasses__(base)
    for child in children:
        yield from _descendants(child)


def _missing(module: str, name: str) -> None:
    once(
        f"patch.missing.{module}.{name}",
        "%s has no %s: its calls are not recorded. This version of the library may be newer than "
        "the integration; look for an update of it.",
        module,
        name,
        level=logging.WARNING,
    )
