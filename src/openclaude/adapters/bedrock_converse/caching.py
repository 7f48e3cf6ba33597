"""Cache points: where the client's `cache_control` marks end up, and how many there may be.

Processing order is tools, system, messages. Bedrock takes four points, and none with a longer life behind one with a
shorter life.
"""

from openclaude.adapters.bedrock_converse.pieces import DEFAULT_TTL, Json, Notes, Piece, Turn
from openclaude.adapters.profiles import Profile

MAX_POINTS = 4


def settle(tools: list[Piece], system: list[Piece], turns: list[Turn], profile: Profile, notes: Notes) -> int:
    """Bring the marks within Bedrock's rules, in place; returns how many points are left."""
    if not profile.cache_tools:
        for piece in tools:
            piece.cache = None
    pieces = [*tools, *system, *(piece for turn in turns for piece in turn.pieces)]
    marked = [piece for piece in pieces if piece.cache is not None]
    excess = len(marked) - MAX_POINTS
    if excess > 0:
        # A later point covers the same prefix.
        notes.add("cache_points_trimmed")
        for piece in marked[:excess]:
            piece.cache = None
        marked = marked[excess:]
    _settle_lives(marked, profile, notes)
    return len(marked)


def _settle_lives(marked: list[Piece], profile: Profile, notes: Notes) -> None:
    short_seen = False
    for piece in marked:
        if not profile.cache_ttl_1h:
            piece.cache = DEFAULT_TTL
        elif piece.cache == "1h" and short_seen:
            piece.cache = DEFAULT_TTL
            notes.add("cache_ttl_lowered")
        short_seen = short_seen or piece.cache != "1h"


def mark_last_user_turn(turns: list[Turn], ttl: str) -> None:
    """A request-wide mark: behind the last block of the last user turn that may carry one."""
    last = next((turn.pieces[-1] for turn in reversed(turns) if turn.role == "user"), None)
    if last is not None and last.cache is None:
        last.cache = ttl


def unmarked(pieces: list[Piece]) -> list[Json]:
    """The blocks of a list in a request without cache points."""
    return [piece.block for piece in pieces]


def rendered(pieces: list[Piece]) -> list[Json]:
    """The blocks of a list, each cache point behind its block."""
    blocks: list[Json] = []
    for piece in pieces:
        blocks.append(piece.block)
        if piece.cache is not None:
            point = (
                {"type": "default"} if piece.cache == DEFAULT_TTL else {"type": "default", "ttl": piece.cache}
            )
            blocks.append({"cachePoint": point})
    return blocks
