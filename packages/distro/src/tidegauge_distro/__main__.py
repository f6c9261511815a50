"""``python -m tidegauge_distro`` is the ``tidegauge`` command of that interpreter."""

from __future__ import annotations

import sys

from tidegauge_distro.cli import main

sys.exit(main())
