"""How many examples a fuzz test tries: 1,000 in `make test`, as many as FUZZ_EXAMPLES says in `make nightly`."""

import os
from collections.abc import Callable
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from openclaude.adapters.profiles import Profile, named, profiles
from openclaude.domain.errors import STATUS_OF_TYPE, ApiError
from openclaude.explain.targets import MODELS

Call = TypeVar("Call")

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "1000"))
TARGETS = tuple(sorted((name, MODELS[name]) for name in profiles()))
"""Every profile of the data file with the model id that stands for it."""
_UNLIKE = ("claude", "nova", "qwen-vl", "mistral-large-3", "llama4", "writer", "gpt-oss")
"""Profiles that differ from the plain one in most of what a history can touch: media, turns, cache points, names."""
ANY_TARGET = st.one_of(
    st.sampled_from([target for target in TARGETS if target[0] in _UNLIKE]), st.sampled_from(TARGETS)
)


def examples(share: float = 1.0) -> settings:
    """The settings of a fuzz test that tries `share` of the examples."""
    return settings(
        max_examples=max(1, int(EXAMPLES * share)),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )


def prepared(prepare: Callable[[], Call]) -> Call | ApiError:
    """The call, or a refusal that is one the API could have given."""
    try:
        return prepare()
    except ApiError as refusal:
        check_refusal(refusal)
        return refusal


def profile_of(target: tuple[str, str]) -> Profile:
    return named(target[0])


def check_refusal(error: ApiError) -> None:
    """A refusal is a 400 or 413 of the Anthropic API with a message that says where and what."""
    assert error.status in (400, 413), error.message
    assert STATUS_OF_TYPE[error.type] == error.status
    assert 10 < len(error.message) < 1000
    assert error.message.isprintable(), error.message
    assert ":" in error.message or "Input should be" in error.message or "JSON" in error.message
