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

from tidegauge.calls import Calls
from tidegauge.guard import guarded, once
from tidegauge.observe import Decorator, is_live
from tidegauge.pickled import loading
from tidegauge.wrappers import is_available_if, is_stand_in, passing_on, unpickled, wrapped


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

    ``on_load`` names the base's method that restores an instance from a pickle. A class that comes
    by value in the same pickle is made empty and filled later, so it is visited once more then.

    ``only`` says which classes are wanted. Those alone are patched, of the methods that they
    inherit too, so that no other class pays for it; what derives from them inherits that.
    """

    module: str
    base: str
    methods: Mapping[str, Decorator]
    on_load: str = ""
    only: Callable[[type], bool] | None = None


@dataclass(frozen=True, slots=True)
class Functions:
    """Functions of one module, also where a package or the app holds them by the same name."""

    module: str
    functions: Mapping[str, Decorator]


Patch = Methods | Subclasses | Functions


# Who wants a wrapper: two integrations may share a patch (joblib's), and one may go first.
_users: weakref.WeakKeyDictionary[Callable[..., Any], set[Patcher]] = weakref.WeakKeyDictionary()
# The same of what wrappers share: it goes on while one is left.
_recorders: weakref.WeakKeyDictionary[Calls, set[Patcher]] = weakref.WeakKeyDictionary()


class Patcher:
    """The patches of one integration."""

    def __init__(self, patches: Iterable[Patch]) -> None:
        self._patches = tuple(patches)
        self._active = False
        self._hooked = False
        self._classes: weakref.WeakSet[type] = weakref.WeakSet()
        self._bases: list[tuple[Any, Any, Any, Patch]] = []
        self._functions: list[tuple[str, Any]] = []
        self._calls: set[Calls] = set()

    def install(self) -> None:
        """Patch what is imported, now and later. Imports nothing itself."""
        if self._active:
            return
        self._active = True
        for calls in self._calls:
            self._record(calls)
        for patch in self._patches:
            if self._hooked:
                if patch.module in sys.modules:
                    self._apply(patch)
            else:
                # Runs at once where the module is imported. A hook can't be taken back: it asks
                # whether it is still wanted.
                wrapt.register_post_import_hook(
                    functools.partial(self._imported, patch), patch.module
                )
        self._hooked = True

    def remove(self) -> None:
        """Put every original back: the identical objects.

        A wrapper that somebody still holds, a bound method or another tool, passes calls on.
        """
        self._active = False
        for calls in self._calls:
            users = _recorders[calls]
            users.discard(self)
            calls.switch(on=bool(users))
        for base, hook, original, _ in reversed(self._bases):
            # Whoever patched it after us calls ours, which does nothing now.
            if vars(base).get("__init_subclass__") is hook:
                if original is None:
                    del base.__init_subclass__
                else:
                    base.__init_subclass__ = original
        self._bases.clear()
        names = {name for patch in self._patches for name in _methods(patch)}
        for cls in list(self._classes):
            for name in names:
                self._restore(cls, name)
        self._classes.clear()
        for name, wrapper in self._functions:
            # Also where it was imported by its name after the patch.
            for holder in _holders(name, wrapper) if self._leave(wrapper) else ():
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
        if any(known is base and patch is applied for known, _, _, applied in self._bases):
            return

        def visit(cls: type) -> None:
            self._visit(patch, cls, set())

        self._hook_creation(base, visit, patch)
        seen: set[type] = set()
        for cls in _descendants(base):
            self._visit(patch, cls, seen)
        if patch.on_load:
            if patch.on_load not in vars(base):
                _missing(patch.module, f"{patch.base}.{patch.on_load}")
            self._wrap(base, patch.on_load, loading(visit))

    def _visit(self, patch: Subclasses, cls: type, seen: set[type]) -> None:
        # One class that refuses must not hide the others.
        with guarded(f"patch.{patch.module}.{patch.base}"):
            owners = cls.__mro__[:-1]
            if patch.only is not None:
                owners = (cls,) if patch.only(cls) else ()
            for owner in owners:
                if owner in seen:  # hundreds of classes have the same few ancestors
                    continue
                for method, decorator in patch.methods.items():
                    if patch.only is not None and method not in vars(owner):
                        setattr(owner, method, passing_on(owner, method))
                    self._wrap(owner, method, decorator)
                seen.add(owner)

    def _hook_creation(self, base: Any, visit: Callable[[type], None], patch: Patch) -> None:
        original: Any = vars(base).get("__init_subclass__")

        def __init_subclass__(cls: type, /, **kwargs: Any) -> None:  # noqa: N807 - Python's name
            if original is None:
                super(base, cls).__init_subclass__(**kwargs)  # type: ignore[misc]
            else:
                original.__get__(None, cls)(**kwargs)
            if self._active:
                visit(cls)

        hook: Any = classmethod(__init_subclass__)
        base.__init_subclass__ = hook
        self._bases.append((base, hook, original, patch))

    def _apply_functions(self, module: ModuleType, patch: Functions) -> None:
        for name, decorator in patch.functions.items():
            original = getattr(module, name, None)
            if original is None:
                _missing(patch.module, name)
                continue
            wrapper = original if is_live(original) else wrapped(decorator, original)
            # Modules that imported it before hold the function under the same name.
            for holder in _holders(name, original):
                setattr(holder, name, wrapper)
            self._join(wrapper)
            self._functions.append((name, wrapper))

    def _wrap(self, owner: type, name: str, decorator: Decorator) -> None:
        value: Any = vars(owner).get(name)
        if isinstance(value, FunctionType):
            if not is_live(value):
                original = unpickled(value)
                value = wrapped(decorator, original)
                if value is original:  # of a kind that the decorator leaves alone
                    return
                setattr(owner, name, value)
            self._join(value)
            self._classes.add(owner)
        elif is_available_if(value):
            # The condition stays, what it guards is wrapped.
            if not is_live(value.fn):
                value.fn = wrapped(decorator, unpickled(value.fn))
            self._join(value.fn)
            self._classes.add(owner)

    def _restore(self, owner: type, name: str) -> None:
        value: Any = vars(owner).get(name)
        if is_available_if(value):
            if is_live(value.fn) and self._leave(value.fn):
                value.fn = value.fn.__wrapped__
        elif is_live(value) and self._leave(value):
            if is_stand_in(value.__wrapped__):
                delattr(owner, name)
            else:
                setattr(owner, name, value.__wrapped__)

    def _join(self, wrapper: Any) -> None:
        _users.setdefault(wrapper, set()).add(self)
        if isinstance(wrapper.__tidegauge__, Calls):
            self._record(wrapper.__tidegauge__)

    def _record(self, calls: Calls) -> None:
        self._calls.add(calls)
        _recorders.setdefault(calls, set()).add(self)
        calls.switch(on=True)

    def _leave(self, wrapper: Any) -> bool:
        """Give a wrapper up; True where nobody else wants it."""
        users = _users.get(wrapper, set())
        users.discard(self)
        return not users


def _holders(name: str, value: object) -> list[ModuleType]:
    """Return the modules, the app's own among them, that hold this very object by this name."""
    return [
        module
        for module in list(sys.modules.values())
        if getattr(module, "__dict__", {}).get(name) is value
    ]


def _methods(patch: Patch) -> Iterable[str]:
    if isinstance(patch, Functions):
        return ()
    return (*patch.methods, patch.on_load) if isinstance(patch, Subclasses) else patch.methods


def _descendants(base: type) -> Iterator[type]:
    yield base
    children: list[type] = type.__subclasses__(base)
    for child in children:
        yield from _descendants(child)


def _missing(module: str, name: str) -> None:
    once(
        f"patch.missing.{module}.{name}",
        "%s has no %s: what it does is not noticed. This version of the library may be newer than "
        "the integration; look for an update of it.",
        module,
        name,
        level=logging.WARNING,
    )
