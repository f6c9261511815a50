"""Options of a command that asks a Prometheus: where it is, and what it lets in."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from urllib.parse import urlsplit

from tidegauge.command import CommandError
from tidegauge.settings import without_user

from tidegauge_alerting.channels import Secret, SecretError
from tidegauge_alerting.prometheus_api import PrometheusApi


def add_credentials(parser: ArgumentParser) -> None:
    """Add the options that say where the credentials are."""
    parser.add_argument(
        "--auth-file", metavar="FILE", help="holds user:password or a bearer token for URL"
    )
    parser.add_argument(
        "--auth-env", metavar="NAME", help="the variable that holds user:password or a token"
    )


def server(
    option: str, given: str, arguments: Namespace, *, timeout_s: float = 30.0
) -> PrometheusApi:
    """Return the server that an option names.

    Raises
    ------
    CommandError
        It is no address, or holds more than one; or the credentials cannot be read.
    """
    parts = urlsplit(given)
    if parts.scheme not in ("http", "https") or not parts.hostname or not given.isprintable():
        raise CommandError(
            f"{option}: got {without_user(given)!r} from the argument; expected the http or https "
            "address of a Prometheus. For example: http://localhost:9090."
        )
    if parts.username is not None or parts.query or parts.fragment:
        raise CommandError(
            f"{option}: got more than an address of {parts.hostname} from the argument; expected "
            "no credentials and no query in it. Pass credentials by --auth-file or --auth-env."
        )
    credentials = _credentials(arguments)
    return PrometheusApi(given.rstrip("/"), timeout_s=timeout_s, credentials=credentials)


def _credentials(arguments: Namespace) -> str:
    if arguments.auth_file is None and arguments.auth_env is None:
        return ""
    try:
        secret = Secret(file=arguments.auth_file or "", env=arguments.auth_env or "").read()
    except (SecretError, ValueError) as error:
        raise CommandError(f"--auth-file, --auth-env: {error}") from error
    if not secret.isprintable():
        raise CommandError(
            "--auth-file, --auth-env: got more than one line; expected user:password or a token. "
            "Write it alone."
        )
    return secret
