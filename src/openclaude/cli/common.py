"""What several commands need: the folder, the configuration, the state, and one way to say that it did not work."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from openclaude import config
from openclaude.config import Config
from openclaude.launcher.state import Secrets, State, open_state
from openclaude.launcher.trouble import Trouble

FAILED = 1
WRONG = 2


@dataclass(frozen=True, slots=True)
class Setup:
    """This user's openClaude: where it is, how it is configured, what it keeps.

    Attributes:
        config: the configuration of the gateway.
        profiles: the named set-ups beside it that have no problem.
    """

    path: Path
    config: Config
    state: State
    secrets: Secrets
    profiles: Mapping[str, Config] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """What a gateway says that runs with all of this."""
        return config.digest(self.config, self.profiles)


def setup(env: Mapping[str, str], path: Path | None = None) -> Setup:
    """Read everything. Raises `config.ConfigError` and `StateError`."""
    home = config.home(env)
    chosen = path or config.config_path(home)
    read = config.load(chosen) if path is None else config.load_existing(chosen)
    state = open_state(home)
    return Setup(chosen, read, state, state.secrets(), config.load_profiles(home))


def say(stderr: TextIO, text: str) -> None:
    """Talk to the user."""
    print(f"openclaude: {text}", file=stderr)


def explain(stderr: TextIO, error: Exception) -> int:
    """Say what went wrong and what to do; returns the exit code for it."""
    if isinstance(error, config.ConfigError):
        print(error, file=stderr)
        return WRONG
    say(stderr, str(error))
    if isinstance(error, Trouble):
        print(f"hint: {error.hint}", file=stderr)
        return error.code
    return FAILED


PROBLEMS = (config.ConfigError, Trouble)
"""What `explain` can explain."""
