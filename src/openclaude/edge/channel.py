"""The worker's end of the line to its supervisor: a line of JSON in, a line of JSON out.

The supervisor keeps the gateway's control socket, so that a caller meets somebody even while the worker is replaced.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

MAX_LINE: Final = 4 * 1024 * 1024
"""A whole configuration, or a shell's AWS variables, come in one line."""
Operation = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class Channel(asyncio.Protocol):
    """Answers `{"id": N, "op": NAME, ...}` with N and what the operation of that name says.

    Args:
        operations: by name. One that raises is answered with an error, and reported.
        lost: called when the supervisor is gone.
        report: told of exceptions.
    """

    def __init__(
        self,
        operations: Mapping[str, Operation],
        *,
        lost: Callable[[], None],
        report: Callable[[BaseException], None],
    ) -> None:
        self._operations = operations
        self._lost = lost
        self._report = report
        self._transport: asyncio.Transport | None = None
        self._buffer = b""

    def tell(self, event: str, **more: object) -> None:
        """Say something that was not asked for."""
        self._send({"event": event, **more})

    def close(self) -> None:
        """Hang up, once what was said is on its way."""
        if self._transport is not None:
            self._transport.close()

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            request = json.loads(line)
            self._send({"id": request["id"], **self._answer(request)})

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        self._lost()

    def _answer(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        operation = self._operations.get(str(request["op"]))
        if operation is None:
            return {"error": f"unknown operation; known are {', '.join(self._operations)}"}
        try:
            return operation(request)
        except Exception as error:  # noqa: BLE001  the gateway goes on, whatever an operation met
            self._report(error)
            return {"error": f"it did not work ({type(error).__name__}); see `openclaude logs`"}

    def _send(self, message: Mapping[str, Any]) -> None:
        if self._transport is not None:
            self._transport.write(json.dumps(message).encode() + b"\n")
