"""The gateway's listening sockets. The supervisor binds them, so this module loads nothing else."""

import socket
from typing import Final

BACKLOG: Final = 1024
LOOPBACK: Final = "127.0.0.1"
"""The only address the gateway ever listens on; no option and no setting changes it."""


def bind(port: int, *, listen: bool = True) -> socket.socket:
    """A listening socket on the loopback address; port 0 takes a free one. Raises OSError when it is taken.

    With `listen` false the port is only reserved: whoever connects is refused by the system.

    SO_REUSEADDR lets a restart take a port whose old connections linger; SO_REUSEPORT, which would let a stranger
    share the port, is never set.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, port))
        if listen:
            listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener
