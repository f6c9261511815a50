"""What the integration contract runs in fresh processes; ``scenario`` is there in each."""

from __future__ import annotations

WITHOUT_LIBRARY = """
import logging, sys, threading
logging.basicConfig(level=logging.WARNING)
instrumentor = scenario.instrumentor()
instrumentor.instrument(skip_dep_check=True)
instrumentor.uninstrument()
instrumentor.instrument()
assert scenario.library not in sys.modules
assert threading.active_count() == 1
print("quiet")
"""

BEFORE_IMPORT = """
import sys, threading
from tidegauge_testkit.recording import Recording
__import__(scenario.plugin)
assert scenario.library not in sys.modules, "importing the integration imports the library"
scenario.instrumentor().instrument(skip_dep_check=True)
assert scenario.library not in sys.modules, "instrumenting imports the library"
assert threading.active_count() == 1, "instrumenting starts a thread"
model = scenario.fit()
with Recording() as recording:
    scenario.predict(model, scenario.data(3))
    print(recording.calls(), "record")
    assert recording.faults() == {}, recording.faults()
"""

AFTER_IMPORT = """
from tidegauge_testkit.recording import Recording
model = scenario.fit()
scenario.instrumentor().instrument(skip_dep_check=True)
with Recording() as recording:
    scenario.predict(model, scenario.data(3))
    print(recording.calls(), "record")
    assert recording.faults() == {}, recording.faults()
"""

# ``make``, if the scenario has one, stands before this. Each file holds the object, how to call it
# and what it answered.
DUMP = """
import pickle
import cloudpickle
scenario.instrumentor().instrument(skip_dep_check=True)

def dump(name, dumps, what, model, data):
    answer = repr(getattr(model, scenario.operation)(data))
    with open(name, "wb") as file:
        pickle.dump((scenario.operation, dumps(what), data, answer), file)
    print(name)

model, data = scenario.fit(), scenario.data(4)
for module in (pickle, cloudpickle):
    bound = getattr(model, scenario.operation)
    dump("model." + module.__name__, module.dumps, model, model, data)
    dump("bound." + module.__name__, module.dumps, bound, model, data)
if scenario.main_source:
    model, data = make()
    function = getattr(type(model), scenario.operation)
    dump("model-of-main.cloudpickle", cloudpickle.dumps, model, model, data)
    dump("bound-of-main.cloudpickle", cloudpickle.dumps, getattr(model, scenario.operation),
         model, data)
    dump("class-of-main.cloudpickle", cloudpickle.dumps, (type(model), vars(model)), model, data)
    dump("function-of-main.cloudpickle", cloudpickle.dumps, (function, model), model, data)
"""

_LOAD = """
import glob, pickle

def call(name, operation, found, data):
    kind = name.split("-")[0].split(".")[0]
    if kind == "bound":
        return repr(found(data))
    if kind == "class":
        cls, state = found
        found = cls.__new__(cls)
        vars(found).update(state)
    if kind == "function":
        function, model = found
        return repr(function(model, data))
    return repr(getattr(found, operation)(data))

def load(name):
    with open(name, "rb") as file:
        return pickle.load(file)

names = sorted(glob.glob("*.pickle") + glob.glob("*.cloudpickle"))
"""

LOAD_WITHOUT = (
    _LOAD
    + """
import sys
for name in names:
    operation, content, data, expected = load(name)
    assert call(name, operation, pickle.loads(content), data) == expected, name
    print(name)
assert not [name for name in sys.modules if name.startswith("tidegauge")]
"""
)

# Further trips through cloudpickle add nothing: each round forgets the class, as a new process
# would, and loads what the round before wrote.
LOAD_WITH = (
    _LOAD
    + """
import gc
import cloudpickle
from tidegauge_testkit.recording import Recording
scenario.instrumentor().instrument(skip_dep_check=True)
for name in names:
    operation, content, data, expected = load(name)
    kind = name.split("-")[0].split(".")[0]
    size = None
    for round in range(5):
        found = pickle.loads(content)
        with Recording() as recording:
            assert call(name, operation, found, data) == expected, name
            # A method by itself is a function of nobody's class.
            alone = "main" in name and kind in ("bound", "class", "function")
            assert recording.calls() == (0 if alone else 1), (name, round, recording.calls())
            assert recording.faults() == {}, recording.faults()
        content = cloudpickle.dumps(found)
        if "main" in name:
            size = size or len(content)
            assert abs(len(content) - size) < 50, (name, round, size, len(content))
        del found
        gc.collect()
    print(name)
"""
)
