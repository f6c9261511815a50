"""What is not recorded: calls inside a recorded call, training, and what the app says."""

from __future__ import annotations

from contextlib import ContextDecorator
from contextvars import ContextVar, Token
from types import TracebackType

#: True inside a recorded or suppressed call. All integrations share it, so that of nested models
#: only the outermost call counts.
ACTIVE: ContextVar[bool] = ContextVar("tidegauge_active", default=False)


class suppress(ContextDecorator):  # noqa: N801 - reads as a statement: with suppress()
    """Turn recording off in a block, or in a function that it decorates.

    Usable with ``with`` and ``async with``, nested, and again.
    """

    def __init__(self) -> None:
        self._tokens: list[Token[bool]] = []

    def _recreate_cm(self) -> suppress:
        return type(self)()

    def __enter__(self) -> None:
        self._tokens.append(ACTIVE.set(True))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        ACTIVE.reset(self._tokens.pop())

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, tb)
