"""A local count of a request's tokens, for models whose provider does not count them. It errs high.

What the model reads is gathered and weighed by `adapters.tokens`; to that come the frames of messages and tools, and a
flat price for each image and each page of a document. docs/counting.md states the error band.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from openclaude.adapters import tokens
from openclaude.adapters.bedrock_converse import claude
from openclaude.adapters.bedrock_converse.blocks import blocks_of
from openclaude.adapters.bedrock_converse.pieces import Json, objects, string
from openclaude.adapters.bedrock_converse.tools import History, read_history
from openclaude.adapters.bedrock_converse.typed_tools import TOOL_SEARCH_PREFIX
from openclaude.adapters.calibration import Calibration, Sample
from openclaude.adapters.profiles import Profile
from openclaude.wire import jsontext

_PER_MESSAGE = 5
_PER_RESULT = 4
_PER_TOOL = 8
_FOR_TOOLS = {True: 350, False: 120}
"""What a model is told about tools in general, by whether it is Claude."""
_PER_IMAGE = 1600
_SAMPLED = 16 * 1024
"""Bytes looked at of a request that is answered: its estimate is one of many that are averaged."""
_GLANCE = 64 * 1024
"""Bytes looked at to see whether a body may be too long for its model."""
_SURE = 1.25
"""How much more a body may turn out to be than its bytes, escapes and frames included, look like."""
_PAGE = 65536
"""Base64 characters that stand for a page of a document; a page costs about as much as an image."""
_DATA_SOURCES = ("base64", "url", "file")


@dataclass(frozen=True, slots=True)
class Weighed:
    """Tokens of a request's texts and frames, which a calibration corrects, and of its media, which it leaves alone."""

    text: float
    media: int


class Estimator:
    """Estimates the requests of one route, and learns from its answers.

    Args:
        profile: what the model can do.
        model_id: its id; for Claude it tells the generation of its vocabulary.
        calibration: what was learned about the model; give several the same one to let them share it.
    """

    def __init__(self, profile: Profile, model_id: str, calibration: Calibration | None = None) -> None:
        self._weights = weights_of(profile, model_id)
        self._calibration = calibration or Calibration()
        self.is_due = self._calibration.is_due
        """Whether this request is to be sampled. Ask once for each."""

    def tokens(self, body: Any) -> int:
        """Tokens of a Messages body, at least 1."""
        found = weighed(body, self._weights)
        return max(1, self._calibration.corrected(found.text) + found.media)

    def exceeds(self, raw: bytes, window: int) -> bool:
        """Whether a Messages body is likely to have more tokens than a window, by what is known of the model.

        A token is a byte at least, so that most bodies need no look; the next ones are weighed as they stand, and
        only the rest is read.
        """
        if len(raw) <= window:
            return False
        whole = tokens.estimate(raw, self._weights, _GLANCE)
        if self._calibration.likely(whole) * _SURE <= window:
            return False
        found = weighed(jsontext.loads(raw), self._weights)
        return self._calibration.likely(found.text) + found.media > window

    def sample(self, body: Any) -> Sample | None:
        """The estimate of a request whose answer will tell how good it was; None for one with media."""
        found = weighed(body, self._weights, _SAMPLED)
        return None if found.media else Sample(self._calibration, found.text)


def weights_of(profile: Profile, model_id: str) -> tokens.Weights:
    """The weights of a model's vocabulary."""
    if profile.family != "claude":
        return tokens.OPEN
    is_new = claude.version(profile.base_model or model_id) >= (4, 7)
    return tokens.CLAUDE_4_7 if is_new else tokens.CLAUDE


def weighed(body: Any, weights: tokens.Weights, measured: int = tokens.MEASURED_WHOLE) -> Weighed:
    """Weigh a Messages body, looking at `measured` bytes at most. One of another shape counts by its bytes."""
    if not isinstance(body, dict):
        return Weighed(tokens.estimate(jsontext.dumps(body), weights, measured), 0)
    reading = _Reading()
    messages = objects(body.get("messages"))
    for content in (body.get("system"), *(message.get("content") for message in messages)):
        reading.content(content)
    tools = _sent_tools(body.get("tools"), read_history(messages))
    reading.texts += map(jsontext.dumps, tools)
    config = body.get("output_config")
    if isinstance(config, dict) and isinstance(config.get("format"), dict):
        reading.texts.append(jsontext.dumps(config["format"]))
    frames = _PER_MESSAGE * len(messages) + reading.frames
    if tools:
        frames += _FOR_TOOLS[weights is not tokens.OPEN] + _PER_TOOL * len(tools)
    return Weighed(frames + tokens.estimate(b"\n".join(reading.texts), weights, measured), reading.media)


def _sent_tools(tools: Any, history: History) -> list[Json]:
    """The tools without the deferred ones that nothing has asked for yet: those the model does not read."""
    listed = objects(tools)
    if any(string(tool.get("type")).startswith(TOOL_SEARCH_PREFIX) for tool in listed):
        return listed
    return [tool for tool in listed if not _is_deferred(tool) or string(tool.get("name")) in history.wanted]


def _is_deferred(tool: Json) -> bool:
    custom = tool.get("custom")
    return tool.get("defer_loading") is True or (
        isinstance(custom, dict) and custom.get("defer_loading") is True
    )


class _Reading:
    """What was found in a request: texts as UTF-8, and tokens that no text stands for."""

    def __init__(self) -> None:
        self.texts: list[bytes] = []
        self.frames = 0
        self.media = 0

    def content(self, content: Any) -> None:
        for block in blocks_of(content):
            if block.get("type") == "tool_result":
                self.frames += _PER_RESULT
                for part in blocks_of(block.get("content")):
                    self._part(part)
            else:
                self._part(block)

    def _part(self, block: Json) -> None:
        """A block that holds no blocks; one that does all the same counts by its bytes."""
        source = block.get("source")
        if block.get("type") == "image":
            self.media += _PER_IMAGE
        elif isinstance(source, dict) and source.get("type") in _DATA_SOURCES:
            self.media += _PER_IMAGE * (1 + len(string(source.get("data"))) // _PAGE)
        else:
            self.texts += _texts_of(block)


def _texts_of(block: Json) -> Iterator[bytes]:
    """What a model reads of a block: its text, or all of it; signatures and encrypted parts are no text."""
    kind = string(block.get("type"))
    if kind in ("text", "thinking") and isinstance(block.get(kind), str):
        yield block[kind].encode("utf-8", "replace")
    elif kind == "tool_use":
        yield string(block.get("name")).encode("utf-8", "replace")
        yield jsontext.dumps(block.get("input"))
    elif kind != "redacted_thinking":
        yield jsontext.dumps(block)
