"""CountTokens of the Bedrock runtime. Import it late: it loads the service model."""

import base64
import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from openclaude.simulator import claude_on_aws
from openclaude.simulator.converse_rules import conversation_problems
from openclaude.simulator.converse_shapes import shape_problems
from openclaude.simulator.script import Fail

NOT_COUNTED = "The provided model doesn't support counting tokens."

_BASE_ID = re.compile(r"anthropic\.claude-[a-z0-9.:-]+")


def read_count(model: str, body: bytes, uncounted: Collection[str] = ()) -> int | Fail:
    """The count of a prompt, or the refusal: profiles, and models other than Claude, are not counted for."""
    try:
        request = json.loads(body)
    except ValueError as error:
        return Fail(400, "SerializationException", f"The body is not valid JSON: {error}")
    if not isinstance(request, dict):
        return Fail(400, "SerializationException", "The body must be a JSON object.")
    problems = shape_problems("CountTokens", model, request)
    if problems:
        return Fail(400, "ValidationException", "; ".join(problems))
    if not _BASE_ID.fullmatch(model) or model in uncounted:
        return Fail(400, "ValidationException", NOT_COUNTED)
    return _counted(model, request["input"])


def _counted(model: str, prompt: Mapping[str, Any]) -> int | Fail:
    if "converse" in prompt:
        problems = conversation_problems(model, prompt["converse"])
        return (
            Fail(400, "ValidationException", problems[0])
            if problems
            else claude_on_aws.text_size(prompt["converse"])
        )
    found = claude_on_aws.read_body(model, base64.b64decode(prompt["invokeModel"]["body"]), enveloped=False)
    return found if isinstance(found, Fail) else claude_on_aws.text_size(found)
