"""A scoring service in LitServe: ``lit.py PORT WORKERS``."""

from __future__ import annotations

import sys
from typing import Any

import litserve


class Scoring(litserve.LitAPI):
    """``POST /score``."""

    def setup(self, device: str) -> None:
        """Load the model in the process that predicts."""
        from scoring import score

        self.score = score

    def predict(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return one score a row, and which process made them."""
        return self.score(body)


def main() -> None:
    """Serve."""
    port, workers = int(sys.argv[1]), int(sys.argv[2])
    server = litserve.LitServer(
        Scoring(api_path="/score"),
        accelerator="cpu",
        workers_per_device=workers,
        restart_workers=True,
    )
    server.run(
        host="127.0.0.1",
        port=port,
        num_api_servers=2,
        generate_client_file=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
