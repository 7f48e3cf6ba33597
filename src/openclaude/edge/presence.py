"""Whether the other end of a connection is still there, without reading from it."""

import asyncio
import os
import socket
import sys
from typing import Final

_ASKED: Final = {"linux": (getattr(socket, "TCP_INFO", 11), 1), "darwin": (0x106, 4)}
"""By platform: the option whose first byte is TCP's state, and the state ESTABLISHED (tcp(7); netinet/tcp_fsm.h)."""


def left(transport: asyncio.BaseTransport) -> bool:
    """Whether the peer has reset or closed its end. A FIN behind bytes for which there is no room yet cannot be seen."""
    found = transport.get_extra_info("socket")
    option, established = _ASKED.get(sys.platform, (0, 0))
    if found is None or not option:
        return False
    # uvloop's own object has no `getsockopt`.
    with socket.socket(fileno=os.dup(found.fileno())) as same:
        return same.getsockopt(socket.IPPROTO_TCP, option, 8)[0] != established
