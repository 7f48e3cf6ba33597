"""Holds every request to Bedrock that any test makes to Bedrock's rules, whatever the test itself looks at.

In this process a translated body becomes bytes in one function of each format, `sealed`. `watched` stands behind both:
a body that breaks a rule raises where it is made, and is kept, so that no handler on the way can lose it. What gateways
in processes of their own send is checked where it arrives: `check_rows`.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

from openclaude.adapters import bedrock_messages
from openclaude.adapters.bedrock_converse import adapter as converse_adapter
from openclaude.adapters.bedrock_converse import request as converse_request
from openclaude.adapters.bedrock_invoke import adapter as invoke_adapter
from openclaude.adapters.bedrock_invoke import request as invoke_request
from openclaude.simulator.recorded import Recorded
from support.converse_check import NotConverseError, check_invoke, check_request

_TARGET = re.compile(r"/model/([^/]+)/(converse|converse-stream|invoke|invoke-with-response-stream)")
_OPERATIONS = {
    "converse": "Converse",
    "converse-stream": "ConverseStream",
    "invoke": "InvokeModel",
    "invoke-with-response-stream": "InvokeModelWithResponseStream",
}
_MODULES = (converse_request, converse_adapter, invoke_request, invoke_adapter, bedrock_messages)


def check_payload(operation: str, model_id: str, payload: bytes) -> None:
    """Raise NotConverseError unless Bedrock would read these bytes."""
    if operation in ("Converse", "ConverseStream"):
        # Whether the assistant may have the last word is a matter of the profile, which the bytes do not tell.
        check_request(operation, model_id, json.loads(payload), trailing_assistant=True)
    elif operation.startswith("InvokeModel"):
        check_invoke(operation, model_id, payload)


def check_rows(rows: Iterable[Recorded]) -> None:
    """Raise NotConverseError unless every request a simulator of Bedrock recorded is one Bedrock would read.

    A body that was not kept is incomplete, or so large that the simulator's own check of it has to do.
    """
    for row in rows:
        found = _TARGET.fullmatch(row.path.decode("latin-1"))
        if found is not None and row.body is not None:
            check_payload(_OPERATIONS[found[2]], unquote(found[1]), row.body)


@contextmanager
def watched() -> Iterator[list[NotConverseError]]:
    """Check everything that is sealed inside; the result collects what was broken, for whoever looks last."""
    broken: list[NotConverseError] = []
    # No fake can stand here: the tests are to run the product's own code, all of it, unchanged.
    originals = [(module, module.sealed) for module in _MODULES]
    for module, original in originals:
        module.sealed = _checking(original, broken)
    try:
        yield broken
    finally:
        for module, original in originals:
            module.sealed = original


def _checking(sealed: Callable[[Any], Any], broken: list[NotConverseError]) -> Callable[[Any], Any]:
    def checked(built: Any) -> Any:
        found = sealed(built)
        try:
            check_payload(found.operation, found.model_id, found.payload)
        except NotConverseError as error:
            broken.append(error)
            raise
        return found

    return checked
