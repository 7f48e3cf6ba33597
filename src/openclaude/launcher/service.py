"""A gateway that is always there: a systemd user unit on Linux, a launchd agent on macOS. Nothing needs root.

The texts are made by pure functions; the system's own program (`systemctl --user`, `launchctl`) is asked to start and stop.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from openclaude.launcher.trouble import Trouble

MARK: Final = "Written by `openclaude service install`."
LABEL: Final = "dev.openclaude.gateway"
UNIT: Final = "openclaude.service"
SERVE: Final = ("-P", "-m", "openclaude", "serve")
SECONDS: Final = 60.0


@dataclass(slots=True)
class ServiceError(Trouble):
    """The service cannot be installed or removed. `hint` says what to do."""

    what: str
    hint: str

    def __str__(self) -> str:
        return self.what


@dataclass(frozen=True, slots=True)
class Service:
    """What this system's service manager is told.

    Attributes:
        path: where its file belongs.
        text: what the file says.
        start: the commands that make it run now and at every login.
        stop: the commands that end it for good.
    """

    path: Path
    text: str
    start: tuple[tuple[str, ...], ...]
    stop: tuple[tuple[str, ...], ...]


def unit(python: str, home: Path) -> str:
    """The systemd user unit.

    Args:
        python: the interpreter that has openClaude.
        home: openClaude's folder.
    """
    command = " ".join(_for_systemd(word) for word in (python, *SERVE))
    return (
        f"# {MARK}\n"
        "[Unit]\n"
        "Description=openClaude gateway\n\n"
        "[Service]\n"
        f"ExecStart={command}\n"
        f"Environment={_for_systemd(f'OPENCLAUDE_HOME={home}')}\n"
        "Restart=on-failure\n"
        "RestartSec=2\n"
        "KillMode=mixed\n"
        "UMask=0077\n\n"
        "[Install]\n"
        "WantedBy=default.target\n"
    )


def agent(python: str, home: Path) -> str:
    """The launchd agent, with the arguments as in `unit`."""
    import plistlib  # noqa: PLC0415  for macOS only

    told = {
        "Label": LABEL,
        "ProgramArguments": [python, *SERVE],
        "EnvironmentVariables": {"OPENCLAUDE_HOME": str(home)},
        "KeepAlive": {"SuccessfulExit": False},
        "RunAtLoad": True,
        "ProcessType": "Interactive",
        "Umask": 0o077,
        "StandardErrorPath": str(home / "logs" / "gateway.err"),
    }
    text = plistlib.dumps(told, sort_keys=False).decode()
    head, line, rest = text.partition('<plist version="1.0">')
    return f"{head}<!-- {MARK} -->\n{line}{rest}"


def service(env: Mapping[str, str], home: Path, *, platform: str = sys.platform) -> Service:
    """What belongs on this system. Raises `ServiceError` where there is no service manager that we know."""
    user = Path(env.get("HOME", "/"))
    if platform == "darwin":
        path = user / "Library" / "LaunchAgents" / f"{LABEL}.plist"
        domain = f"gui/{os.getuid()}"
        return Service(
            path,
            agent(sys.executable, home),
            (("launchctl", "bootstrap", domain, str(path)),),
            (("launchctl", "bootout", f"{domain}/{LABEL}"),),
        )
    if platform == "linux":
        folder = Path(env.get("XDG_CONFIG_HOME") or user / ".config") / "systemd" / "user"
        return Service(
            folder / UNIT,
            unit(sys.executable, home),
            (("systemctl", "--user", "daemon-reload"), ("systemctl", "--user", "enable", "--now", UNIT)),
            (("systemctl", "--user", "disable", "--now", UNIT),),
        )
    raise ServiceError(f"there is no service for {platform}", "`openclaude start` at login does the same")


def available(env: Mapping[str, str], *, platform: str = sys.platform) -> None:
    """See that the service manager answers. Raises `ServiceError` when it does not."""
    probe = ("launchctl", "version") if platform == "darwin" else ("systemctl", "--user", "show-environment")
    problem = _run(probe, env)
    if problem is not None:
        raise ServiceError(
            f"`{' '.join(probe)}` does not work here: {problem}",
            "nothing was written; `openclaude start` in your shell's profile keeps a gateway too",
        )


def write(made: Service) -> None:
    """Write the file. Raises `ServiceError` where somebody else's is in its place."""
    _refuse_stranger(made.path)
    try:
        made.path.parent.mkdir(parents=True, exist_ok=True)
        made.path.write_text(made.text)
    except OSError as error:
        raise ServiceError(
            f"{made.path} cannot be written: {error.strerror}", "check its folder's permissions"
        ) from error


def remove(made: Service) -> bool:
    """Remove the file; False when there is none. Raises `ServiceError` for somebody else's."""
    if not os.path.lexists(made.path):
        return False
    _refuse_stranger(made.path)
    made.path.unlink()
    return True


def tell(commands: Sequence[Sequence[str]], env: Mapping[str, str]) -> None:
    """Run the service manager's commands. Raises `ServiceError` with what it said."""
    for command in commands:
        problem = _run(command, env)
        if problem is not None:
            raise ServiceError(f"`{' '.join(command)}` failed: {problem}", "see what it says, then try again")


def _run(command: Sequence[str], env: Mapping[str, str]) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603  the system's own program, no shell
            command,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return getattr(error, "strerror", None) or "it does not answer"
    said = (done.stderr or done.stdout).strip().splitlines()
    return None if done.returncode == 0 else (said[-1] if said else f"exit code {done.returncode}")


def _refuse_stranger(path: Path) -> None:
    """What is at the path has to be a file that we wrote, or nothing."""
    if not os.path.lexists(path):
        return
    ours = path.is_file() and not path.is_symlink() and MARK in path.read_text(errors="replace")
    if not ours:
        raise ServiceError(
            f"{path} was not written by openClaude, so it is left alone", "move it away, then try again"
        )


def _for_systemd(word: str) -> str:
    """A word of a unit file, quoted: blanks, quotes, backslashes, percent signs and dollars mean themselves."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'
