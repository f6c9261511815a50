"""Joins our metrics to any MeterProvider, whoever made it.

The callback that a provider gives each of its readers is wrapped, so that it returns the provider's
metrics and ours. Nothing of the provider is replaced.
"""

from __future__ import annotations

import logging
import re
from typing import Any

from opentelemetry.metrics import get_meter_provider

from tidegauge import export_order, group, otel_fork
from tidegauge import otel_private as private
from tidegauge.guard import fault, guarded, once
from tidegauge.late_import import late_import

_MARK = "_tidegauge_collect"
_INSTANCE_ID = "service.instance.id"
# A part of a file's name.
_MAX_NAME = 100


def attach(provider: object) -> bool:
    """Export through all readers of a MeterProvider, now and later; idempotent.

    Returns
    -------
    bool
        False where the provider cannot be attached to: it is not the SDK's (a proxy, a no-op).
    """
    readers = private.readers(provider)
    if readers is None:
        return False
    for reader in list(readers):
        attach_reader(reader)
    otel_fork.watch_provider(provider)
    add = getattr(provider, "add_metric_reader", None)
    if add is not None and not getattr(add, _MARK, False):

        def add_metric_reader(reader: Any) -> None:
            add(reader)
            with guarded("attach.add_metric_reader"):
                attach_reader(reader)

        setattr(add_metric_reader, _MARK, True)
        provider.add_metric_reader = add_metric_reader  # type: ignore[attr-defined]
    return True


def attach_reader(reader: Any) -> None:
    """Export through one reader that a provider has already taken; idempotent."""
    callback = private.collect_callback(reader)
    if callback is None or getattr(callback, _MARK, False):
        return
    with late_import():
        # Here, not above: an app that only records has no need of the SDK.
        from tidegauge.producer import Producer  # noqa: PLC0415

    pulled = is_pulled(reader)
    temporality = private.temporalities(reader)
    exponential = "Exponential" in type(private.aggregations(reader).get("Histogram")).__name__
    producer = Producer(
        **{
            keyword: temporality[instrument]
            for keyword, instrument in (("sums", "Counter"), ("histograms", "Histogram"))
            if instrument in temporality
        },
        exponential=exponential,
        pulled=pulled,
        name=_name(reader),
    )
    _introduce(private.resource(callback))

    def collect(*args: Any, **kwargs: Any) -> Any:
        # An exception in here would end a periodic reader's thread for good.
        try:
            data = callback(*args, **kwargs)
        except Exception as error:
            data = None
            once(
                f"attach.provider:{type(error).__name__}",
                "The MeterProvider's own metrics could not be collected (%s): this export holds "
                "Tidegauge's alone. Look at the app's readers, views and observable instruments.",
                type(error).__name__,
                level=logging.ERROR,
                error=error,
            )
        try:
            resource = private.resource(callback)
            _introduce(resource)
            data = producer.join(data, resource)
        except Exception as error:
            fault("producer", error)
        return data

    setattr(collect, _MARK, True)
    otel_fork.watch_reader(reader, callback)
    private.set_collect_callback(reader, collect)
    if not pulled:
        with guarded("attach.order"):
            export_order.one_by_one(reader)


def is_pulled(reader: object) -> bool:
    """Say whether a reader is asked by its backend, so that any process may be asked.

    Ours say so by a class attribute ``pulled``. OpenTelemetry's own Prometheus reader is one too.
    """
    found = getattr(reader, "pulled", None)
    if isinstance(found, bool):
        return found
    return any(kind.__name__ == "PrometheusMetricReader" for kind in type(reader).__mro__)


def _name(reader: object) -> str:
    """Name a reader by what it exports with: all processes of a launch have the same ones."""
    kind = type(private.exporter(reader) or reader)
    return re.sub("[^a-z0-9_]", "_", kind.__name__.lower())[:_MAX_NAME]


def _introduce(resource: Any) -> None:
    """Let the group know that there is a reader, and who this process is to it."""
    here = group.current()
    here.attached = True
    found = getattr(resource, "attributes", {}).get(_INSTANCE_ID)
    if isinstance(found, str):
        here.own_instance_id = found


def attach_global() -> bool:
    """Attach to the provider that is global now; False where there is none to attach to."""
    try:
        return attach(get_meter_provider())
    except Exception as error:
        fault("attach.global", error)
        return False
