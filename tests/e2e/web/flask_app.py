"""Flask, as anybody writes it: a blueprint."""

from __future__ import annotations

from flask import Blueprint, Flask, request
from scorer import score

blueprint = Blueprint("scores", __name__, url_prefix="/v1")


@blueprint.get("/score/<customer>")
def scored(customer: str) -> str:
    """Return a score."""
    return str(score(float(request.args["seconds"])))


app = Flask(__name__)
app.register_blueprint(blueprint)
