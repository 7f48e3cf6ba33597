"""`openclaude serve` for the rows with plain HTTP: the same program, but that connections to providers are not encrypted.

The product has no such switch and must not have one: a login belongs behind TLS. So this program takes uvloop's loop away
from it and puts one in its place that ignores TLS where a connection is opened. Nothing else is changed.
"""

import asyncio
import sys
from typing import Any

import uvloop

from openclaude.cli.main import main


class Opened:
    """What the dialling code is handed as its transport: it sets what only TLS transports have."""

    def set_read_buffer_limits(self, **limits: int) -> None:
        """Bytes that wait encrypted; here none do."""


class PlainLoop(uvloop.Loop):
    """A loop that dials without TLS."""

    async def create_connection(
        self, protocol_factory: Any, host: Any = None, port: Any = None, **options: Any
    ) -> Any:
        """As uvloop's, without `ssl` and what belongs to it."""
        kept = {name: value for name, value in options.items() if not name.startswith(("ssl", "server_h"))}
        _, protocol = await super().create_connection(protocol_factory, host, port, **kept)
        return Opened(), protocol


def plain_loop() -> asyncio.AbstractEventLoop:
    """What `uvloop.new_event_loop` answers here."""
    return PlainLoop()


if __name__ == "__main__":
    uvloop.new_event_loop = plain_loop  # type: ignore[assignment]
    sys.exit(main())
