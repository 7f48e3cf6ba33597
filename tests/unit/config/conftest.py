from collections.abc import Callable

import pytest

from openclaude.config import ConfigError, parse


@pytest.fixture
def said() -> Callable[[str], str]:
    """Everything that is said about a configuration text that has problems."""

    def say(text: str) -> str:
        with pytest.raises(ConfigError) as caught:
            parse(text, "config.toml")
        return str(caught.value)

    return say
