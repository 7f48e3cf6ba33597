"""How much the bodies of all requests under way may take together.

Counted is what clients sent and what is kept of it: bodies for Bedrock, which are translated as a whole, bodies that decide
about their route, and bodies that may be sent again elsewhere. What is only passed on is never here as a whole.
"""

from typing import Final

from openclaude.domain.errors import ApiError, overloaded

MOST: Final = 512 * 1024 * 1024
"""Bytes. A body is there once; while it is translated, which is done to one at a time, several times."""


class Bodies:
    """The bytes that are kept now.

    Each request (`exchange.Answer`) adds its own and takes them off again: those that there was no room for as well.

    Attributes:
        most: how many there may be.
        kept: how many there are.
    """

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.kept = 0


def full() -> ApiError:
    """What a request is told for which there is no room."""
    return overloaded(
        "the bodies of the requests under way fill the gateway's memory, nothing of this one was sent. "
        "hint: large requests that end make room; try again"
    )
