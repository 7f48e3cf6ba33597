"""Find the real Claude Code and become it.

`run` replaces this process: terminal, signals and exit code are then the client's own, with nothing in between.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from openclaude.launcher.trouble import Trouble

# Set for the client: "<pid>:<depth>". `exec` keeps the pid, so meeting our own again means that the `claude` we
# started is openclaude under another name. A script in between has a pid of its own; then the depth stops the chain.
# A session started from inside a session is a normal thing, a handful of them is not.
GUARD = "OPENCLAUDE_LAUNCH"
_DEEPEST = 5
_OWN_FLAGS = ("--isolated", "--compat-http")

_INSTALL = (
    "install Claude Code with `npm install -g @anthropic-ai/claude-code` "
    "or `curl -fsSL https://claude.ai/install.sh | bash`, then run openclaude again"
)


@dataclass(slots=True)
class ClientError(Trouble):
    """The real client cannot be started.

    Attributes:
        what: what happened, and where.
        hint: what the user can do.
        code: the exit code a shell would give: 127 not found, 126 found but not startable.
    """

    what: str
    hint: str
    code: int = 127

    def __str__(self) -> str:
        return self.what


@dataclass(frozen=True, slots=True)
class Arguments:
    """The command line, divided.

    Attributes:
        isolated: whether `--isolated` was given.
        settings: the value of the user's own `--settings`, None without one; the last wins, as in the client.
        rest: everything else, for the client, verbatim.
        compat_http: whether `--compat-http` was given.
        profile: the value of `--profile`, empty without one.
    """

    isolated: bool
    settings: str | None
    rest: tuple[str, ...]
    compat_http: bool = False
    profile: str = ""


def split_arguments(argv: Sequence[str]) -> Arguments:
    """Take out openClaude's own flags and the `--settings` to be merged.

    A `--` before anything of the client's is ours: what follows is the client's command line, our flags' names included.
    Any other `--` is the client's, and so is all behind it.
    """
    flags: set[str] = set()
    settings, profile = None, ""
    ours = True
    rest: list[str] = []
    remaining = list(argv)
    while remaining:
        argument = remaining.pop(0)
        if argument == "--" and ours and not rest:
            ours = False
        elif argument == "--":
            rest += [argument, *remaining]
            break
        elif argument in _OWN_FLAGS and ours:
            flags.add(argument)
        elif argument == "--profile" and ours and remaining:
            profile = remaining.pop(0)
        elif argument.startswith("--profile=") and ours:
            profile = argument.partition("=")[2]
        elif argument == "--settings" and remaining:
            settings = remaining.pop(0)
        elif argument.startswith("--settings="):
            settings = argument.partition("=")[2]
        else:
            rest.append(argument)
    return Arguments("--isolated" in flags, settings, tuple(rest), "--compat-http" in flags, profile)


def find_client(environ: Mapping[str, str], ourselves: Path) -> Path:
    """The first `claude` on the PATH that is not this program.

    Args:
        environ: the user's environment.
        ourselves: the running program, as `sys.argv[0]` names it.

    Raises:
        ClientError: there is none, or the one there is leads back here.
    """
    _check_guard(environ)
    own = _real(ourselves)
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        candidate = Path(folder) / "claude"
        # A relative entry would let the repository we are started in supply its own `claude`.
        if not candidate.is_absolute():
            continue
        if candidate.is_file() and os.access(candidate, os.X_OK) and _real(candidate) != own:
            return candidate
    raise ClientError("Claude Code is not installed: no `claude` on the PATH", _INSTALL)


def guarded(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment with the mark by which `find_client` knows a chain of launchers."""
    return {**environ, GUARD: f"{os.getpid()}:{_depth(environ) + 1}"}


def run(client: Path, arguments: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
    """Become the client.

    Raises:
        ClientError: the system cannot start the file.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execve(client, [str(client), *arguments], dict(environ))  # noqa: S606 - no shell wanted
    except OSError as error:
        hint = f"try `{client} --version`; if that fails too, {_INSTALL}"
        raise ClientError(f"{client} cannot be started: {error.strerror}", hint, 126) from error


def _check_guard(environ: Mapping[str, str]) -> None:
    pid = environ.get(GUARD, "").partition(":")[0]
    if pid == str(os.getpid()) or _depth(environ) >= _DEEPEST:
        raise ClientError(
            "the `claude` on the PATH starts openclaude again",
            "put the real Claude Code first on the PATH, or remove the script or link named claude",
        )


def _depth(environ: Mapping[str, str]) -> int:
    depth = environ.get(GUARD, "").partition(":")[2]
    return int(depth) if depth.isascii() and depth.isdigit() else 0


def _real(path: Path) -> str:
    return os.path.realpath(path)
