"""OpenTelemetry's SDK in a forked child.

The child has one thread, and a copy of everything else as it stood: of locks that other threads of
the parent held and that nobody will free, of the parent's totals, which would be reported twice,
and of connections that two processes would write to at once. SDK 1.30 to the newest repair some of
the locks and nothing else. So here, in the child: locks are freed, the storages of all readers
emptied, connections dropped, and ``service.instance.id`` made new where the SDK has not.
gRPC can not be repaired in the child: a fork waits until its export is over.

Beside ``otel_private`` the only place where private names of OpenTelemetry stand.
"""

from __future__ import annotations

import functools
import logging
import netrc  # noqa: F401 - requests imports it at its first request, perhaps during a fork
import os
import sys
import threading
import time
import uuid
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from opentelemetry import trace
from opentelemetry._logs import get_logger_provider

from tidegauge.guard import guarded

_INSTANCE_ID = "service.instance.id"
_STORAGES = "_reader_storages"
_MATCHES = "_instrument_view_instrument_matches"
_GRPC = "opentelemetry.exporter.otlp.proto.grpc"
# Where the SDK (1.44 and later) looks for what a child's resource needs, in its own hooks.
_RESOURCES = "opentelemetry.sdk.resources"
_DETECTORS = "_build_resource_detectors"
_DETECT = "_get_process_dependent_resource"
_DETECTING = (
    _RESOURCES,
    "opentelemetry.sdk.metrics._internal",
    "opentelemetry.sdk.trace",
    "opentelemetry.sdk._logs._internal",
)
# Objects of these packages, and of classes derived from theirs, are searched for locks.
_SEARCHED = ("opentelemetry.", "requests.", "urllib3.", "http.cookiejar", "queue")
# Nearest first. An app has hundreds; an exporter that keeps what it got may hold any number.
_MAXIMUM_OBJECTS = 5_000
# A thread that is there gives a lock back within this.
_ALIVE_S = 0.05
# A fork waits so long at most for an export by gRPC, of milliseconds where the collector is well.
_GRPC_PATIENCE_S = 1.0
# A reader's thread in a child waits so long at most for the repair, of milliseconds.
_REPAIR_PATIENCE_S = 5.0
_POLL_S = 0.001

_logger = logging.getLogger("tidegauge")

#: MeterProviders' measurement consumers, with the instance id that each had in this process.
_consumers: weakref.WeakKeyDictionary[Any, str | None] = weakref.WeakKeyDictionary()
_providers: weakref.WeakSet[Any] = weakref.WeakSet()
_said: set[str] = set()
_held = threading.local()
#: The process whose SDK is in order.
_ready_pid = os.getpid()


def watch_provider(provider: object) -> None:
    """Free the locks of a MeterProvider and what is below it in children."""
    _providers.add(provider)
    with guarded("fork.detectors"):
        _detect_without_threads()


def _detect_without_threads() -> None:
    """Keep the SDK's hooks from waiting for a thread pool.

    The pool's module has a lock that it holds across a fork, and frees in a hook of its own: where
    that module was imported after the provider was made, the SDK's hook comes first and hangs.
    """
    resources = sys.modules.get(_RESOURCES)
    if hasattr(resources, _DETECTORS):
        for name in _DETECTING:
            if hasattr(sys.modules.get(name), _DETECT):
                setattr(sys.modules[name], _DETECT, _process_dependent_resource)


def _process_dependent_resource() -> Any:
    resources = sys.modules[_RESOURCES]
    found = resources.Resource.get_empty()
    for detector in getattr(resources, _DETECTORS)():
        if detector.is_process_dependent():
            with guarded("fork.detector"):
                found = found.merge(detector.detect())
    return found


def watch_reader(reader: Any, callback: Callable[..., Any]) -> None:
    """Repair what is behind a reader in children; ``callback`` is what its provider gave it."""
    consumer = getattr(callback, "__self__", None)
    storages = getattr(consumer, _STORAGES, None)
    if any("fork" in name for name in dir(type(consumer))):
        _say(f"{type(consumer).__name__} repairs itself after a fork: it is left alone.")
    elif not isinstance(storages, Mapping) or not all(
        isinstance(getattr(storage, _MATCHES, None), dict) for storage in storages.values()
    ):
        _say(f"{type(consumer or callback).__name__} is unknown: it is not repaired after a fork.")
    else:
        _consumers[consumer] = _instance_id(consumer)
        # The SDK starts the reader's thread in a child, perhaps before the repair: it waits for it.
        if hasattr(type(reader), "_ticker") and "_ticker" not in vars(reader):
            reader._ticker = functools.partial(_tick, reader)  # noqa: SLF001 - the purpose


def _say(message: str) -> None:
    if message not in _said:
        _said.add(message)
        _logger.debug("%s", message)


def _tick(reader: Any) -> None:
    deadline_s = time.monotonic() + _REPAIR_PATIENCE_S
    while _ready_pid != os.getpid() and time.monotonic() < deadline_s:
        time.sleep(_POLL_S)
    type(reader)._ticker(reader)  # noqa: SLF001 - the purpose


def before_fork() -> None:
    """Let no export by gRPC be under way: its threads could not be replaced in the child."""
    held: list[Any] = []
    _held.locks = held
    with guarded("fork.grpc"):
        for lock in _grpc_locks():
            if lock.acquire(timeout=_GRPC_PATIENCE_S):
                held.append(lock)  # noqa: PERF401 - each at once: the next may raise


def after_fork() -> None:
    """Let exports go on, in the parent and in the child."""
    for lock in getattr(_held, "locks", ()):
        with guarded("fork.grpc"):
            lock.release()
    _held.locks = ()


def _grpc_locks() -> Iterator[Any]:
    for exporting in _exporting():
        for name in ("_exporter", "span_exporter"):
            exporter = getattr(exporting, name, None)
            if any(kind.__module__.startswith(_GRPC) for kind in type(exporter).__mro__):
                # SDK 1.30 has one in the exporter, later ones in what calls it.
                own = getattr(exporter, "_export_lock", None)
                lock = getattr(exporting, "_export_lock", None) if own is None else own
                if isinstance(lock, _lock_types()):
                    yield lock


def _exporting() -> Iterator[Any]:
    for consumer in list(_consumers):
        yield from list(getattr(consumer, _STORAGES))
    for provider, several, each in (
        (trace.get_tracer_provider(), "_active_span_processor", "_span_processors"),
        (get_logger_provider(), "_multi_log_record_processor", "_log_record_processors"),
    ):
        for processor in getattr(getattr(provider, several, None), each, ()):
            yield getattr(processor, "_batch_processor", processor)


def renew() -> None:
    """Put the SDK in order: this is a forked child, and none of its threads has begun yet."""
    global _ready_pid  # noqa: PLW0603 - one a process
    try:
        for consumer in list(_consumers):
            with guarded("fork.consumer"):
                _renew_consumer(consumer)
        with guarded("fork.locks"):
            providers = list(_providers)
            found = [*providers, *map(type, providers), *_consumers]
            _free_below([*found, trace.get_tracer_provider(), get_logger_provider()])
    finally:
        _ready_pid = os.getpid()


def _renew_consumer(consumer: Any) -> None:
    for storage in getattr(consumer, _STORAGES).values():
        # Counts, with their locks, are made anew at the next measurement.
        setattr(storage, _MATCHES, {})
    config = consumer._sdk_config  # noqa: SLF001 - the purpose
    if _instance_id(consumer) == _consumers[consumer]:  # else the SDK was here already
        kind = type(config.resource)
        config.resource = config.resource.merge(kind({_INSTANCE_ID: str(uuid.uuid4())}))
    _consumers[consumer] = _instance_id(consumer)


def _instance_id(consumer: Any) -> str | None:
    resource = getattr(getattr(consumer, "_sdk_config", None), "resource", None)
    found = getattr(resource, "attributes", {}).get(_INSTANCE_ID)
    return None if found is None else str(found)


def _free_below(roots: list[Any]) -> None:
    """Free the locks in a graph of objects that no thread of this process can hold.

    Connections are dropped too: their pools have locks as well.
    """
    locks = _lock_types()
    waiting, seen, pools = deque(roots), set(map(id, roots)), []
    while waiting and len(seen) < _MAXIMUM_OBJECTS:
        thing = waiting.popleft()
        if callable(getattr(thing, "connection_from_host", None)):
            pools.append(thing)
        for value in _parts(thing):
            lock = getattr(value, "_cond", None) if isinstance(value, threading.Event) else value
            if isinstance(lock, locks):
                _free(lock)
            elif id(value) not in seen and (
                isinstance(value, dict | list | tuple) or _is_searched(type(value))  # type: ignore[arg-type]
            ):
                seen.add(id(value))
                waiting.append(value)
    for pool in pools:
        pool.clear()


def _parts(thing: Any) -> list[Any]:
    if isinstance(thing, list | tuple):
        return list(thing)
    if isinstance(thing, dict):
        return [*thing, *thing.values()]
    return list(vars(thing).values()) if hasattr(thing, "__dict__") else []


@functools.cache
def _is_searched(kind: Any) -> bool:
    return not issubclass(kind, type) and any(
        base.__module__.startswith(_SEARCHED) for base in kind.__mro__
    )


def _free(lock: Any) -> None:
    if lock.acquire(timeout=_ALIVE_S):
        lock.release()
    else:
        lock._at_fork_reinit()  # noqa: SLF001 - as threading's own do


def _lock_types() -> tuple[type, ...]:
    # Looked up each time: gevent replaces them.
    return (type(threading.Lock()), type(threading.RLock()), threading.Condition)
