"""What Bedrock said when it refused: the exception's name, its text and how long to wait."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from openclaude.adapters.bedrock_converse.pieces import Json, string
from openclaude.domain.http import Header
from openclaude.wire import jsontext

_RETRY_CAP = 60
_QUOTED = 200
_NUMBER = re.compile(r"[0-9]{1,8}(\.[0-9]{1,8})?")
_NAME_OF_STATUS = {
    400: "ValidationException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """What Bedrock said. `message` is its own text; `body` the parsed JSON, or empty."""

    name: str
    status: int
    message: str
    body: Json
    retry_after: int | None


def read(status: int, headers: Sequence[Header], body: bytes) -> Refusal:
    """The exception's name, text and wait, from wherever Bedrock or a proxy put them."""
    found = {name.lower(): value.decode("latin-1") for name, value in reversed(headers)}
    parsed = _object(body)
    fields = parsed or {}
    name = _bare(found.get(b"x-amzn-errortype", "")) or _bare(
        string(fields.get("__type")) or string(fields.get("code"))
    )
    if not name and (parsed is not None or status == 429):
        name = _NAME_OF_STATUS.get(status, "")
    message = string(fields.get("message")) or string(fields.get("Message"))
    if not message:
        quoted = (
            " ".join(body.decode("utf-8", "replace").split())[:_QUOTED] if fields or parsed is None else name
        )
        message = (
            f"Bedrock answered {status}: {quoted}" if quoted else f"Bedrock answered {status} without a text"
        )
    after = _seconds(found.get(b"retry-after", ""), found.get(b"date", ""))
    return Refusal(name, status, message, fields, after)


def _object(body: bytes) -> Json | None:
    try:
        parsed = jsontext.loads(body)
    except jsontext.JsonError:
        return None
    return parsed if isinstance(parsed, dict) else None


def _bare(name: str) -> str:
    """`com.amazon.coral#NameException:http://...` is NameException."""
    return name.split(":", 1)[0].rsplit("#", 1)[-1].strip()


def _seconds(text: str, sent: str) -> int | None:
    """The wait a `retry-after` asks for: seconds, or a date that is later than `sent`, the date of the answer."""
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return min(math.ceil(float(text)), _RETRY_CAP)
    if not text:
        return None
    from email.utils import parsedate_to_datetime  # noqa: PLC0415  slow to load, and seldom needed

    try:
        until = parsedate_to_datetime(text)
        now = parsedate_to_datetime(sent) if sent else datetime.now(UTC)
        wait = (until - now).total_seconds()
    except (TypeError, ValueError):
        return None
    return min(math.ceil(wait), _RETRY_CAP) if wait > 0 else None
