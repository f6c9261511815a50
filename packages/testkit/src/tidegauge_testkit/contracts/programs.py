"""What the integration contract runs in fresh processes.

The import of a library may take seconds: so there are two programs, and each does all that can be
done in one process. A part that fails ends the program; the tests of later parts show why.
"""

from __future__ import annotations

# The library is not there, then it is: instrumented before it is imported.
_EARLY = """
import logging
import sys
import threading

class Heard(logging.Handler):
    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines = []
    def emit(self, record):
        self.lines.append(record.getMessage())

heard = Heard()
logging.getLogger().addHandler(heard)
scenario = load_scenario()
__import__(scenario.plugin)
say("library that the plugin imports", [name for name in sys.modules if name == scenario.library])
instrumentor = scenario.instrumentor()
instrumentor.instrument(skip_dep_check=True)
instrumentor.uninstrument()
instrumentor.instrument(skip_dep_check=True)
say("library that instrumenting imports", [n for n in sys.modules if n == scenario.library])
say("threads", threading.active_count())
say("said without the library", heard.lines)
blocked.clear()
"""

EARLY_HOOKS = (
    _EARLY
    + """
say("seen", scenario.seen())
"""
)

# Pickles are written by a child of which this process knows nothing, and loaded here.
EARLY = (
    _EARLY
    + """
import os
from tidegauge_testkit.forks import in_child
from tidegauge_testkit.recording import Recording
with Recording() as recording:
    model = scenario.fit()
    say("records of fitting", recording.calls())
    scenario.predict(model, scenario.data(3))
    say("seen", recording.calls() == 1)
    say("faults", recording.faults())

    def ask():
        for _ in range(3):
            scenario.predict(model, scenario.data(2))
        return [recording.calls(), recording.rows().seen, len(recording.faults())]

    if scenario.forkable:
        say("a child's calls, rows and faults", in_child(ask))
        say("the parent's calls", recording.calls())
        scenario.predict(model, scenario.data(3))
        say("the parent's calls thereafter", recording.calls())
"""
)

# Each file holds the object, how to call it and what it answered. ``scenario`` is there, and
# ``make``, if the scenario has one.
DUMP = """
import os
import pickle
import cloudpickle

def dump(name, dumps, what, model, data):
    answer = repr(getattr(model, scenario.operation)(data))
    with open(os.path.join("pickles", name), "wb") as file:
        pickle.dump((scenario.operation, dumps(what), data, answer), file)

def dump_all():
    model, data = scenario.fit(), scenario.data(4)
    for module in (pickle, cloudpickle):
        bound = getattr(model, scenario.operation)
        dump("model." + module.__name__, module.dumps, model, model, data)
        dump("bound." + module.__name__, module.dumps, bound, model, data)
    if not scenario.main_source:
        return
    exec(scenario.main_source, globals())
    model, data = make()
    function = getattr(type(model), scenario.operation)
    dump("model-of-main.cloudpickle", cloudpickle.dumps, model, model, data)
    dump("bound-of-main.cloudpickle", cloudpickle.dumps, getattr(model, scenario.operation),
         model, data)
    dump("class-of-main.cloudpickle", cloudpickle.dumps, (type(model), vars(model)), model, data)
    dump("function-of-main.cloudpickle", cloudpickle.dumps, (function, model), model, data)

os.makedirs("pickles", exist_ok=True)
"""

#: A process of its own, where a model that has predicted may not be used in a forked one.
DUMP_ALONE = (
    "scenario = load_scenario()\nscenario.instrumentor().instrument(skip_dep_check=True)\n"
    + DUMP
    + "dump_all()\n"
)

DUMP_IN_CHILD = DUMP + "in_child(dump_all)\n"

_LOAD = """
import os
import pickle

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
    with open(os.path.join("pickles", name), "rb") as file:
        return pickle.load(file)

names = sorted(os.listdir("pickles")) if os.path.isdir("pickles") else []
say("pickles", names)
"""

# Further trips through cloudpickle add nothing: each round forgets the class, as a new process
# would, and loads what the round before wrote.
LOAD_WITH = (
    _LOAD
    + """
import gc
import cloudpickle
from tidegauge_testkit.recording import Recording
loaded = []
with Recording() as recording:
    for name in names:
        operation, content, data, expected = load(name)
        kind = name.split("-")[0].split(".")[0]
        size = None
        for round in range(3):
            found = pickle.loads(content)
            before = recording.calls()
            assert call(name, operation, found, data) == expected, name
            # A method by itself is a function of nobody's class.
            alone = "main" in name and kind in ("bound", "class", "function")
            recorded = recording.calls() - before
            assert recorded == (0 if alone else 1), (name, round, recorded)
            assert recording.faults() == {}, recording.faults()
            content = cloudpickle.dumps(found)
            if "main" in name:
                size = size or len(content)
                assert abs(len(content) - size) < 50, (name, round, size, len(content))
            del found
            gc.collect()
        loaded.append(name)
say("pickles loaded with Tidegauge", loaded)
"""
)

# Tidegauge is not there, then it is: the library is imported, and used, before it is instrumented.
LOAD_WITHOUT = (
    _LOAD
    + """
import sys
loaded = []
for name in names:
    operation, content, data, expected = load(name)
    assert call(name, operation, pickle.loads(content), data) == expected, name
    loaded.append(name)
say("pickles loaded without Tidegauge", loaded)
say("of Tidegauge", [name for name in sys.modules if name.startswith("tidegauge")])
"""
)

LATE_HOOKS = """
blocked.clear()
scenario = load_scenario()
say("seen before", scenario.seen())
instrumentor = scenario.instrumentor()
instrumentor.instrument(skip_dep_check=True)
say("seen", scenario.seen())
instrumentor.uninstrument()
say("seen after", scenario.seen())
"""

LATE = """
blocked.clear()
from tidegauge_testkit.recording import Recording
scenario = load_scenario()
with Recording() as recording:
    model, data = scenario.fit(), scenario.data(3)
    scenario.predict(model, data)
    say("seen before", recording.calls() > 0)
    instrumentor = scenario.instrumentor()
    instrumentor.instrument(skip_dep_check=True)
    scenario.predict(model, data)
    say("seen", recording.calls() == 1)
    instrumentor.uninstrument()
    scenario.predict(model, data)
    say("seen after", recording.calls() > 1)
    say("faults", recording.faults())
"""
