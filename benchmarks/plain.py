"""`openclaude serve` for the rows with plain HTTP: the same program, but that connections to providers are not encrypted.

The product has no such switch and must not have one: a login belongs behind TLS. So this program takes uvloop's loop away
from it and puts one in its place that connects without it. Nothing else is changed.
"""

import asyncio
import sys
from typing import Any

import uvloop

from openclaude.cli.main import main
from openclaude.edge.secure import SecureTransport


class PlainLoop(uvloop.Loop):
    """A loop that dials without TLS."""

    async def create_connection(
        self, protocol_factory: Any, host: Any = None, port: Any = None, **options: Any
    ) -> Any:
        """As uvloop's, with what is behind TLS in its place."""
        secure = protocol_factory()
        assert isinstance(secure, SecureTransport)
        opened = await super().create_connection(lambda: secure.application, host, port, **options)
        assert secure.ready is not None
        secure.ready.set_result(None)
        return opened


def plain_loop() -> asyncio.AbstractEventLoop:
    """What `uvloop.new_event_loop` answers here."""
    return PlainLoop()


if __name__ == "__main__":
    uvloop.new_event_loop = plain_loop  # type: ignore[assignment]
    sys.exit(main())
