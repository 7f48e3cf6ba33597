"""Finds the running gateway, starts one when there is none, and stops it.

Alive means: the kernel says that the lock is held. Ours means: the control socket answers and the port shows our certificate.
No PID file exists; a signal is never sent.
"""

import os
import select
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from openclaude.launcher import certificates, control, ports
from openclaude.launcher.certificates import Pair
from openclaude.launcher.control import Running, Session
from openclaude.launcher.state import Secrets, State
from openclaude.launcher.trouble import Trouble

START_SECONDS: Final = 15.0
STOP_SECONDS: Final = 15.0
_KEPT_ENVIRONMENT: Final = frozenset(
    {
        "HOME",
        "LANG",
        "LOGNAME",
        "PATH",
        "SSH_AUTH_SOCK",
        "TMPDIR",
        "TZ",
        "USER",
        "XDG_RUNTIME_DIR",
        "OPENCLAUDE_HOME",
    },
)
_KEPT_PREFIX: Final = "LC_"
_SERVE: Final = ("-P", "-m", "openclaude", "serve")
"""-P: the working directory may be a stranger's repository, and no module may be imported from it."""
Say = Callable[[str], None]


@dataclass(slots=True)
class GatewayError(Trouble):
    """The gateway could not be started, found or stopped.

    Attributes:
        what: what happened.
        hint: what to do.
    """

    what: str
    hint: str

    def __str__(self) -> str:
        return self.what


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway that has proved itself. `pairs` are the certificates it may show, oldest first."""

    running: Running
    started_now: bool
    secrets: Secrets
    pairs: tuple[Pair, ...]

    @property
    def base_url(self) -> str:
        return f"https://127.0.0.1:{self.running.port}"

    def base_url_of(self, session: str) -> str:
        """The base URL of a session by its name, so that its own AWS environment pays."""
        return _of_session(self.base_url, session)


def _of_session(base_url: str, session: str) -> str:
    return f"{base_url}/s-{session}" if session else base_url


def find(state: State, secrets: Secrets) -> Gateway | None:
    """The running gateway, or None. Raises `GatewayError` when its port does not prove itself."""
    running = control.status(state.run)
    if running is None:
        return None
    pairs = certificates.pairs(state)
    if not control.proves_itself(running.port, pairs):
        raise GatewayError(
            f"the gateway (pid {running.pid}) does not answer for port {running.port}: something else may sit there",
            "openclaude restart",
        )
    return Gateway(running, started_now=False, secrets=secrets, pairs=pairs)


def renew(state: State) -> None:
    """Make certificates where there are none for another 30 days, and tell a running gateway of them. Raises `StateError`."""
    certificates.ensure(state, made=lambda: control.ask(state.run, "certificates"))


def other_door(state: State, gateway: Gateway, door: str, segment: str) -> str:
    """The base URL of a door that mutual TLS does not guard: `tls`, or `http`; it listens from here on.

    Args:
        state: whose gateway it is.
        gateway: the running gateway.
        door: `tls` or `http`.
        segment: the path segment that admits: a session's token, or the installation's.

    Raises:
        GatewayError: the gateway has no such door, or plain HTTP does not prove itself.
    """
    answer = control.ask(state.run, "open", door=door)
    port = answer.get("port") if answer is not None else None
    if not isinstance(port, int):
        raise GatewayError("the gateway does not open that door", "openclaude restart")
    if door == "http" and not control.is_ours(gateway.secrets.identity, port):
        raise GatewayError(
            f"the gateway does not answer for port {port}: something else may sit there", "openclaude restart"
        )
    return f"{'http' if door == 'http' else 'https'}://127.0.0.1:{port}/{segment}"


def session_url(base_url: str, session: Session, profile: str = "") -> str:
    """The base URL of a session, so that its own AWS environment pays, and its profile's routes are taken."""
    return _of_session(f"{base_url}/p-{profile}" if profile else base_url, session.name)


def ensure(  # noqa: PLR0913 - what a start is made of, each by its name
    state: State,
    secrets: Secrets,
    *,
    port: int,
    config: Path | None,
    env: Mapping[str, str],
    say: Say,
    lingers: bool = True,
    flags: Sequence[str] = (),
) -> Gateway:
    """The running gateway, started if need be. Of many callers at once one starts it and the others wait.

    With `lingers` a gateway that is started here ends by itself once nobody uses it; otherwise one that runs is told to stay.
    `flags` are further ones of `openclaude serve`.

    Raises:
        GatewayError: it does not start; the text has its own words.
    """
    renew(state)
    found = find(state, secrets)
    if found is not None:
        if not lingers:
            control.ask(state.run, "stay")
        return found
    with state.lock("start.lock"):
        found = find(state, secrets)
        if found is not None:
            return found
        _wait_for_lock(state)
        chosen = choose_port(state, port, say)
        spawn(state, port=chosen, config=config, env=env, flags=[*flags, *(["--linger"] if lingers else [])])
        found = find(state, secrets)
    if found is None:
        raise GatewayError("the gateway started and went away again", "openclaude logs")
    return Gateway(found.running, started_now=True, secrets=secrets, pairs=found.pairs)


def choose_port(state: State, wanted: int, say: Say) -> int:
    """The port a crashed gateway had, else the configured one, else the next free one, which is told."""
    last = state.last_port()
    if last is not None and ports.is_free(last):
        if last != wanted:
            say(
                f"the gateway is back on port {last}, where its sessions look for it\nhint: `openclaude restart` moves it"
            )
        return last
    if ports.is_free(wanted):
        return wanted
    who = ports.holder(wanted) or "another program"
    chosen = ports.next_free(wanted)
    if chosen is None:
        raise GatewayError(
            f"port {wanted} is taken by {who}, and so are the {ports.TRIES} after it",
            "set another `port` under [gateway] in config.toml (`openclaude config path`)",
        )
    say(
        f"port {wanted} is taken by {who}, which is not openClaude; nothing was sent to it. "
        f"Using port {chosen} for this gateway.\n"
        f"hint: `[gateway] port = {chosen}` in config.toml makes that permanent",
    )
    return chosen


def flags(state: State) -> list[str]:
    """The flags of `openclaude serve` that a gateway in the place of the running one needs as well."""
    answer = control.ask(state.run, "flags") or {}
    given = answer.get("flags")
    return [str(flag) for flag in given] if isinstance(given, list) else []


def restart(state: State, say: Say) -> str | None:
    """Put a new worker in the place of the running one, which finishes its answers; the version is this program's.

    Args:
        state: whose gateway it is.
        say: told when the worker before has not confirmed that it lets nobody in any more.

    Returns:
        None when it is done, else why it is not: the old worker then goes on.
    """
    patience = START_SECONDS + control.HANDOVER_SECONDS
    answer = control.ask(state.run, "restart", timeout=patience, python=sys.executable)
    if answer is None:
        return "the gateway does not answer"
    if "error" in answer:
        return str(answer["error"])
    if silent := answer.get("silent"):
        say(
            f"the new worker serves, but the one before it (pid {silent}) does not answer and may still take a connection\n"
            f"hint: if it hangs, `kill -9 {silent}` ends it, with the answers it has under way"
        )
    return None


def stop(state: State, *, seconds: float = STOP_SECONDS) -> Running | None:
    """Ask the running gateway to stop and wait until it is gone; None when none ran.

    Raises:
        GatewayError: it did not stop in time.
    """
    deadline = time.monotonic() + seconds
    running = control.status(state.run)
    while running is None and state.gateway_alive():  # just starting, or already ending
        if time.monotonic() > deadline:
            raise GatewayError(
                "a gateway holds the lock but does not answer on its control socket",
                f"look for `openclaude serve` among your processes; its log is {state.log_file}",
            )
        time.sleep(0.02)
        running = control.status(state.run)
    if running is None:
        return None
    control.ask(state.run, "stop")
    while _still_there(state, running):
        if time.monotonic() > deadline:
            raise GatewayError(
                f"the gateway (pid {running.pid}) has not stopped after {seconds:.0f} s",
                "it waits for answers under way; try again in a moment",
            )
        time.sleep(0.02)
    return running


def _still_there(state: State, running: Running) -> bool:
    """Whether that very gateway holds the lock: somebody else may have started the next one meanwhile."""
    if not state.gateway_alive():
        return False
    now = control.status(state.run)
    return now is None or now.pid == running.pid


def gateway_environment(env: Mapping[str, str]) -> dict[str, str]:
    """What the gateway inherits: no credential, no proxy, no setting of the client, and nobody's AWS variables."""
    return {
        name: value
        for name, value in env.items()
        if name in _KEPT_ENVIRONMENT or name.startswith(_KEPT_PREFIX)
    }


def _wait_for_lock(state: State) -> None:
    """A gateway that is just ending still holds its lock; give it a moment."""
    deadline = time.monotonic() + STOP_SECONDS
    while state.gateway_alive():
        if time.monotonic() > deadline:
            raise GatewayError(
                "another gateway holds the lock and does not answer",
                f"look for `openclaude serve` among your processes; its log is {state.log_file}",
            )
        time.sleep(0.02)


def spawn(
    state: State,
    *,
    port: int,
    config: Path | None,
    env: Mapping[str, str],
    flags: Sequence[str] = (),
    aws: Mapping[str, str] | None = None,
) -> None:
    """Start `openclaude serve` in a session of its own and wait for its word that it listens.

    Args:
        state: whose gateway it is.
        port: where it listens; 0 for a free port.
        config: its configuration file, or None for the built-in one.
        env: the user's environment; `gateway_environment` says what of it is handed on.
        flags: further flags of `openclaude serve`.
        aws: AWS variables of the gateway's own, for requests that belong to no session.

    Raises:
        GatewayError: it did not start; the text has its own words.
    """
    command = [sys.executable, *_SERVE, "--port", str(port), *flags]
    renew(state)
    if config is not None:
        command += ["--config", str(config)]
    word = _start(
        command, state, gateway_environment(env) | dict(aws or {}) | {"OPENCLAUDE_HOME": str(state.home)}
    )
    if word != b"ready\n":
        said = state.stderr_file.read_text(errors="replace").strip() or "it said nothing"
        raise GatewayError(
            f"the gateway did not start: {said}", "`openclaude serve` shows it in the foreground"
        )


def _start(command: Sequence[str], state: State, env: Mapping[str, str]) -> bytes:
    """Start a process that outlives this one; returns what it writes to its --ready-fd."""
    import subprocess  # noqa: PLC0415  only a cold start needs it

    reader, writer = os.pipe()
    errors = os.open(state.stderr_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        process = subprocess.Popen(  # noqa: S603  our own interpreter and module
            [*command, "--ready-fd", str(writer)],
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            cwd="/",
            env=env,
            start_new_session=True,
            pass_fds=(writer,),
        )
    finally:
        os.close(writer)
        os.close(errors)
    try:
        return _ready_word(reader)
    finally:
        os.close(reader)
        if process.poll() is None:
            process.returncode = 0  # it goes on without us: Popen need not warn that nobody waits for it


def _ready_word(reader: int) -> bytes:
    """What the gateway writes once it listens; empty when it ended or took too long."""
    readable, _, _ = select.select([reader], [], [], START_SECONDS)
    return os.read(reader, 16) if readable else b""
