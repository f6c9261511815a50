from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tidegauge_alerting.channels import Channel, Secret, SecretError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_secret_is_read_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a file or the environment, without the newline that editors add, and never shown."""
    path = tmp_path / "key"
    path.write_text("hunter2\n")
    monkeypatch.setenv("PAGER_KEY", "hunter2")
    for secret in (Secret(file=str(path)), Secret(env="PAGER_KEY")):
        assert secret.read() == "hunter2"
        assert "hunter2" not in repr(Channel("oncall", "pagerduty", routing_key=secret))


def test_a_secret_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The message says which file or variable, and what to do."""
    empty = tmp_path / "empty"
    empty.write_text(" \n")
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    for secret, message in (
        (
            Secret(file=str(tmp_path / "no")),
            (
                f"secret: got no value from file {tmp_path / 'no'} (No such file or directory); "
                "expected it to hold one. Write the secret there, or correct the path."
            ),
        ),
        (
            Secret(file=str(empty)),
            (
                f"secret: got no value from file {empty}; expected it to hold one. "
                "Write the secret there, or correct the name."
            ),
        ),
        (
            Secret(file=str(binary)),
            (
                f"secret: got no value from file {binary} (no text); expected it to hold one. "
                "Write the secret there, or correct the path."
            ),
        ),
        (
            Secret(env="NOT_A_PAGER_KEY"),
            (
                "secret: got no value from variable NOT_A_PAGER_KEY; expected it to hold one. "
                "Write the secret there, or correct the name."
            ),
        ),
    ):
        with pytest.raises(SecretError) as caught:
            secret.read()
        assert message == str(caught.value)


@pytest.mark.parametrize("names", [{}, {"file": "a", "env": "B"}])
def test_a_secret_is_in_one_place(names: dict[str, str]) -> None:
    """Neither or both is an error."""
    with pytest.raises(ValueError, match=r"^secret: got file .* expected one of them"):
        Secret(**names)
