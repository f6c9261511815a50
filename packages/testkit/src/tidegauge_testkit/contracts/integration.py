"""What every integration must keep: it records, and nobody else can tell that it is there."""

from __future__ import annotations

from tidegauge_testkit.contracts.inputs import InputsContract
from tidegauge_testkit.contracts.lifecycle import LifecycleContract
from tidegauge_testkit.contracts.presence import PresenceContract
from tidegauge_testkit.contracts.tracing import TracingContract
from tidegauge_testkit.contracts.transparency import TransparencyContract


class IntegrationContract(TransparencyContract, InputsContract, TracingContract, LifecycleContract):
    """Derive from it in a test module and set ``scenario``; each test tells one promise.

    The test module imports the library in methods of its scenario only.
    """


class HooksContract(PresenceContract):
    """The same for an integration that predicts nothing: it names models, or tells the route."""
