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

    Args:
        most: how many there may be.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self.kept = 0

    def keep(self, size: int) -> bool:
        """Count so many more; whether there is room for them. Those that were counted have to be let go of in any case."""
        self.kept += size
        return self.kept <= self._most

    def let_go(self, size: int) -> None:
        """Count so many less."""
        self.kept -= size


def full() -> ApiError:
    """What a request is told for which there is no room."""
    return overloaded(
        "the bodies of the requests under way fill the gateway's memory, nothing of this one was sent. "
        "hint: large requests that end make room; try again"
    )
