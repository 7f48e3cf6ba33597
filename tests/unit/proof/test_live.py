import pytest

from openclaude import config
from openclaude.launcher import logread
from openclaude.proof.live import _judged

ROUTES = {route.to: route for route in config.parse(config.PRESETS["mixed"], "x").routes}
STREAM = '{"type":"stream_event","event":{"type":"content_block_delta"}}\n'
FAILED = '{"type":"result","result":"API Error: 403 not allowed"}\n'
GOOD = {
    "a login": (
        "anthropic",
        'status=200 outcome=complete route=anthropic credential="client login (authorization)"',
    ),
    "a signature": ("bedrock", 'status=200 outcome=complete route=bedrock credential="aws signature (env)"'),
    "a Bedrock API key": ("bedrock", 'status=200 outcome=complete route=bedrock credential="bedrock key"'),
}
BAD = {
    "an error": (
        "bedrock",
        "status=403 outcome=complete route=bedrock",
        FAILED,
        "HTTP 403, complete: API Error: 403 not allowed",
    ),
    "a broken answer": (
        "bedrock",
        "status=200 outcome=upstream_failed route=bedrock",
        STREAM,
        "HTTP 200, upstream_failed",
    ),
    "another provider": (
        "bedrock",
        "status=200 outcome=complete route=anthropic",
        STREAM,
        "answered by anthropic, not by bedrock",
    ),
    "a login at Bedrock": (
        "bedrock",
        'status=200 outcome=complete route=bedrock credential="client login (authorization)"',
        STREAM,
        "the credential was client login (authorization)",
    ),
    "no credential": (
        "anthropic",
        "status=200 outcome=complete route=anthropic",
        STREAM,
        "the credential was none",
    ),
    "no stream": (
        "anthropic",
        'status=200 outcome=complete route=anthropic credential="client login (x-api-key)"',
        "{}\n",
        "the answer did not come as a stream",
    ),
}


@pytest.mark.parametrize("case", GOOD)
def test_an_answer_by_the_route_s_own_credential_is_good(case: str) -> None:
    to, line = GOOD[case]
    row = _judged("haiku", "m", ROUTES[to], logread.entry(f"t {line} model=m first=0.1"), STREAM)
    assert (row.problem, row.answered_by, row.streamed, row.first_byte) == ("", to, True, "0.1")


@pytest.mark.parametrize("case", BAD)
def test_anything_else_is_a_problem_with_a_hint(case: str) -> None:
    to, line, output, said = BAD[case]
    row = _judged("haiku", "m", ROUTES[to], logread.entry(f"t {line} model=m first=0.1"), output)
    assert row.problem == said
    assert row.hint
