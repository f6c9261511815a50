"""What is wrapped, and why."""

from __future__ import annotations

from tidegauge.loading import loader
from tidegauge.patcher import Functions, Patch

# ``joblib.load`` is this function. Nothing is recorded of a load: the model goes by its file's name
# from then on, whichever library it is of.
PATCHES: tuple[Patch, ...] = (Functions("joblib.numpy_pickle", {"load": loader("filename")}),)
