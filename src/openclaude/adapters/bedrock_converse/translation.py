"""What a translated request is, and how it becomes bytes."""

from typing import NamedTuple

from openclaude.adapters.bedrock_converse import plain, validate
from openclaude.adapters.bedrock_converse.pieces import HELD_ONCE, Json
from openclaude.adapters.bedrock_converse.response import ResponseState
from openclaude.wire import jsontext


class Translation(NamedTuple):
    """A translated request.

    Attributes:
        operation: "Converse" or "ConverseStream".
        model_id: the Bedrock model id or ARN, not quoted.
        body: the request body; parts of it are shared between requests and must not be changed.
        payload: the same as bytes.
        notes: codes of what was degraded.
        state: what the translation of the answer needs to know.
        cache_points: how many cache points the body holds.
        talk: the messages as JSON text in pieces, where they were not made into values; `body` has none then.
    """

    operation: str
    model_id: str
    body: Json
    payload: bytes
    notes: tuple[str, ...]
    state: ResponseState
    cache_points: int
    talk: list[plain.Piece] | None = None

    def once(self) -> "Translation":
        """The translation without the values of a long body, which `values` reads again: its bytes are memory enough."""
        return self if len(self.payload) < HELD_ONCE else self._replace(body={}, talk=[])

    def values(self) -> "Translation":
        """The translation with a body that is whole."""
        return self if self.talk is None else self._replace(body=jsontext.loads(self.payload), talk=None)


def sealed(built: Translation) -> Translation:
    """The translation with its bytes.

    Raises:
        ApiError: 413 when they are too many.
        JsonError: nested too deeply.
    """
    payload = jsontext.dumps(built.body)
    if built.talk is not None:
        payload = b"".join((b'{"messages":', *built.talk, payload.removeprefix(b'{"messages":[]')))
    validate.check_size(payload)
    return built._replace(payload=payload)
