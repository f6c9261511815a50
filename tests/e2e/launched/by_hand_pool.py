"""The same service, set up in its module."""

from __future__ import annotations

from pool import main
from tidegauge_distro import configure

configure()

if __name__ == "__main__":
    main()
