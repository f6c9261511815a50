"""LitServe, as anybody writes it: ``lit_app.py PORT``. Its workers are processes of their own."""

from __future__ import annotations

import sys
from typing import Any

import litserve


class Scoring(litserve.LitAPI):  # type: ignore[misc]
    """``POST /score``."""

    def setup(self, device: str) -> None:
        """Load the model in the process that predicts."""
        from scorer import score

        self.score = score

    def predict(self, x: dict[str, Any]) -> int:
        """Return a score."""
        return int(self.score(float(x["seconds"])))


if __name__ == "__main__":
    server = litserve.LitServer(Scoring(api_path="/score"), accelerator="cpu", workers_per_device=2)
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        num_api_servers=1,
        generate_client_file=False,
        log_level="warning",
    )
