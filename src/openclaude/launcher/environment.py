"""The environment the client is started with: a copy of the user's, without what competes with the login.

The settings overlay alone would do for the client, but programs read the environment too: the client before it has
read its settings, and what it starts (agents in the background, hooks).

`AWS_*` stays. The gateway signs with AWS credentials it reads by itself and the client's Bedrock mode is switched
off, so the client does not use them; the user's own tools, run by the client, may need them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from openclaude.launcher.settings import merge_no_proxy
from openclaude.launcher.variables import (
    BASE_URL,
    CUSTOM_HEADERS,
    EXTRA_AUTHORITIES,
    NO_PROXY,
    PIN_OF,
    TRANSPORT,
    WINDOW,
    Pin,
)


@dataclass(frozen=True, slots=True)
class ChildEnvironment:
    """What the client gets.

    Attributes:
        variables: the whole environment.
        neutralised: sorted names (never values) of the user's variables that were removed or replaced.
    """

    variables: dict[str, str]
    neutralised: tuple[str, ...]


def child_environment(
    environ: Mapping[str, str],
    overlay: Mapping[str, object],
    *,
    config_dir: Path | None = None,
) -> ChildEnvironment:
    """The user's environment made to agree with the overlay.

    Args:
        environ: the user's environment; not changed.
        overlay: what `settings.derive_overlay` returned.
        config_dir: the client's own folder in isolated mode, None to leave it where it is.
    """
    told = overlay.get("env")
    env = told if isinstance(told, Mapping) else {}
    variables = dict(environ)
    decided = [name for name in (BASE_URL, CUSTOM_HEADERS, WINDOW, *_competing()) if name in env]
    for name in decided:
        if value := str(env[name]):
            variables[name] = value
        else:
            variables.pop(name, None)
    for name in NO_PROXY:
        variables[name] = merge_no_proxy(environ.get(name) or environ.get(_other_case(name), ""))
    if config_dir is not None:
        variables |= _isolation(environ, config_dir)
    elif not variables.get("CLAUDE_CONFIG_DIR", "unset"):
        del variables["CLAUDE_CONFIG_DIR"]  # empty makes the current folder the client's configuration
    variables |= {name: str(env[name]) for name in TRANSPORT if env.get(name)}
    watched = [name for name in (*decided, *TRANSPORT) if name != EXTRA_AUTHORITIES]  # that one is added to
    changed = [name for name in watched if environ.get(name) and environ[name] != variables.get(name)]
    return ChildEnvironment(variables, tuple(sorted(changed)))


def _isolation(environ: Mapping[str, str], config_dir: Path) -> dict[str, str]:
    """Another configuration folder, the same login.

    The login lies in the folder (Linux) or under the keychain entry (macOS) of `CLAUDE_SECURESTORAGE_CONFIG_DIR`, else
    of `CLAUDE_CONFIG_DIR`. Empty means the default place on both systems; a path would change the name of the
    keychain's entry.
    """
    login_of = environ.get("CLAUDE_SECURESTORAGE_CONFIG_DIR") or environ.get("CLAUDE_CONFIG_DIR", "")
    return {"CLAUDE_CONFIG_DIR": str(config_dir), "CLAUDE_SECURESTORAGE_CONFIG_DIR": login_of}


def _competing() -> list[str]:
    return [name for name, pin in PIN_OF.items() if pin in {Pin.NOTHING, Pin.MODEL}]


def _other_case(name: str) -> str:
    return name.lower() if name.isupper() else name.upper()
