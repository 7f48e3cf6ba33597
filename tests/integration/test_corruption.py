"""Corrupted streams through a running gateway: each ends, none looks whole that is not, and no connection is lost."""

import random
from collections import Counter

import pytest

from openclaude.simulator.replies import Reply
from openclaude.simulator.script import say
from support.anthropic_errors import assert_explained
from support.broken_streams import MUTATIONS, STREAMS
from support.converse_streams import check_grammar
from support.staging import Stage

SEED = 20_261_126
HEADERS = (("content-type", "application/vnd.amazon.eventstream"),)

pytestmark = pytest.mark.xdist_group("faults")


def test_every_corrupted_stream_ends_and_the_gateway_serves_on(stage: Stage) -> None:
    draw = random.Random(SEED)
    ended: Counter[str] = Counter()
    for mutation in MUTATIONS * 12:
        data = mutation(draw.choice(STREAMS), draw)
        cut = draw.randrange(len(data) + 1)
        reply = Reply(200, HEADERS, [part for part in (data[:cut], data[cut:]) if part])
        response = stage.play("bedrock", lambda _, reply=reply: reply, stream=True)
        assert response.whole
        if response.status == 200:
            events = response.events()
            check_grammar(events)
            ended[events[-1]["type"]] += 1
        else:
            assert_explained(response, response.status)
            ended["http error"] += 1
    assert set(ended) == {"http error", "error", "message_stop"}
    assert ended["error"] > ended["message_stop"] / 2
    assert stage.play("bedrock", lambda _: say("in step"), stream=True).events()[-1]["type"] == "message_stop"
