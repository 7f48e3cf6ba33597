"""`openclaude serve`: the gateway in the foreground."""

import argparse
import os
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, NoReturn, TextIO

from openclaude import config
from openclaude.cli import worker
from openclaude.cli.common import FAILED, PROBLEMS, WRONG, Setup, explain, say, setup
from openclaude.edge import dial, sockets
from openclaude.launcher import callers, certificates, control, ports
from openclaude.launcher.hygiene import harden, raise_descriptors
from openclaude.launcher.supervisor import Supervisor
from openclaude.launcher.workers import ConfigurationError, Settings, Start, Worker

WORKER: Final = ("-P", "-m", "openclaude", "serve", "--worker")
LOCK_SECONDS: Final = 1.0


def add_parser(subparsers: Any) -> None:
    """Add the command to what `ArgumentParser.add_subparsers` returned."""
    parser = subparsers.add_parser("serve", help="run the gateway in the foreground")
    parser.add_argument("--config", type=Path, metavar="FILE", help="read this configuration file")
    parser.add_argument(
        "--port", type=int, metavar="N", help="listen on this port of 127.0.0.1 (0: a free one)"
    )
    parser.add_argument(
        "--connect-to",
        action="append",
        default=[],
        metavar="HOST:PORT=ADDR:PORT",
        help="dial ADDR:PORT for HOST:PORT; TLS is still verified for HOST (may be repeated)",
    )
    parser.add_argument(
        "--ca-file", type=Path, metavar="FILE", help="trust these root certificates, and no others"
    )
    parser.add_argument("--ready-fd", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--linger", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)


def run(args: argparse.Namespace, *, env: Mapping[str, str], stdout: TextIO, stderr: TextIO) -> int:
    """Serve until SIGTERM, SIGINT or `openclaude stop`."""
    del stdout
    try:
        if args.worker is not None:
            return worker.run_told(args.worker, env, stderr)
        found = setup(env, args.config)
        lock = _gateway_lock(found)
        if lock is None:
            return _already_running(found, stderr)
        return _serve(args, found, lock, env, stderr)
    except PROBLEMS as error:
        return explain(stderr, error)


def _gateway_lock(found: Setup) -> int | None:
    """The gateway's lock as an open descriptor, held until this process ends; None when a gateway has it.

    Commands that look whether a gateway is alive hold the lock for an instant themselves.
    """
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        lock = found.state.try_gateway_lock()
        if lock is not None or control.status(found.state.run) is not None or time.monotonic() > deadline:
            return lock
        time.sleep(0.01)


def _already_running(found: Setup, stderr: TextIO) -> int:
    running = control.status(found.state.run)
    where = f" on port {running.port}" if running is not None else ""
    say(stderr, f"a gateway of this user is already running{where}\nhint: `openclaude stop` stops it")
    return FAILED


def _serve(args: argparse.Namespace, found: Setup, lock: int, env: Mapping[str, str], stderr: TextIO) -> int:
    harden()
    raise_descriptors()
    certificates.ensure(found.state)
    port = found.config.port if args.port is None else args.port
    try:
        dial.parse(args.connect_to)
        bound = {"mutual": sockets.bind(port)}
    except dial.DialError as error:
        say(stderr, str(error))
        return WRONG
    except (OSError, OverflowError) as error:
        return _port_taken(port, error, stderr)
    actual = bound["mutual"].getsockname()[1]
    bound |= {door: _beside(actual, port) for door in ("tls", "http")}
    found.state.remember_port(actual)
    control_socket = callers.bind(found.state.run)
    workers = Workers(bound, control_socket, args, found, lock, env, stderr)
    overseer = Supervisor(
        control_socket,
        spawn=workers.spawn,
        load=partial(_settings, found.path, found.state.home, must_exist=args.config is not None),
        lingers=args.linger,
        announce=lambda: _announce(args.ready_fd, actual, args.connect_to, stderr),
        complain=lambda text: _complain(stderr, text),
        flags=_lasting(args),
    )
    try:
        code = overseer.run()
    except worker.EndedError as ended:  # in the worker's own process
        return ended.code
    if code == 0:
        found.state.forget_port()
    return code


def _lasting(args: argparse.Namespace) -> list[str]:
    """The flags that a gateway on another port needs as well: where providers are, and whom to trust."""
    dialled = [flag for entry in args.connect_to for flag in ("--connect-to", entry)]
    return [*dialled, *(("--ca-file", str(args.ca_file.absolute())) if args.ca_file else ())]


def _settings(path: Path, home: Path, *, must_exist: bool) -> Settings:
    """The configuration as it is now, checked, and the profiles that have no problem."""
    try:
        read = (config.load_existing if must_exist else config.load)(path)
    except config.ConfigError as error:
        raise ConfigurationError(str(error)) from error
    texts = {"": (config.PRESETS["mixed"] if read.source is None else _text(path), str(read.source or ""))}
    profiles = {
        name: (_text(each.source), str(each.source))
        for name, each in config.load_profiles(home).items()
        if each.source
    }
    return Settings(texts | profiles, read.linger)


def _text(path: Path) -> str:
    return path.read_bytes().decode()


class Workers:
    """Starts workers: the first by forking, which costs nothing; later ones as new programs, which may be a newer version."""

    def __init__(
        self,
        bound: Mapping[str, socket.socket],
        control_socket: socket.socket,
        args: argparse.Namespace,
        found: Setup,
        lock: int,
        env: Mapping[str, str],
        stderr: TextIO,
    ) -> None:
        self._bound = bound
        self._control = control_socket
        self._args = args
        self._found = found
        self._lock = lock
        self._env = env
        self._stderr = stderr
        self._first = True

    def spawn(self, start: Start) -> Worker:
        """Start one; in its own process this raises `EndedError` when it has served."""
        ours, theirs = socket.socketpair()
        boot = worker.Boot(
            texts=start.settings.texts,
            sockets={door: bound.fileno() for door, bound in self._bound.items()},
            opened=start.opened,
            sessions=start.sessions,
            connect_to=tuple(self._args.connect_to),
            ca_file=str(self._args.ca_file or ""),
            reason=start.reason,
        )
        first, self._first = self._first, False
        pid = os.fork()
        if pid == 0:
            ours.close()
            if not first:
                self._execute(theirs, start.python)
            self._control.close()
            for bound in self._bound.values():
                bound.detach()  # the worker takes them over by their numbers
            raise worker.EndedError(worker.run(boot, theirs, self._found.state, self._env, self._stderr))
        theirs.close()
        if not first:
            boot.send(ours)
        return Worker(pid, ours, time.monotonic())

    def _execute(self, channel: socket.socket, python: str) -> NoReturn:
        """Become a fresh interpreter that serves; it is told of everything through the channel."""
        for number in (channel.fileno(), self._lock, *(bound.fileno() for bound in self._bound.values())):
            os.set_inheritable(number, True)
        program = python or sys.executable
        try:
            os.execve(program, [program, *WORKER, str(channel.fileno())], dict(self._env))  # noqa: S606 - no shell
        except OSError as error:
            _complain(self._stderr, f"{program} cannot be started: {error.strerror}")
        os._exit(127)


def _beside(port: int, wanted: int) -> socket.socket:
    """A port that is kept for a door nobody has asked for yet: the next free one, so that it is the same each time."""
    for candidate in range(port + 1, min(port + 1 + ports.TRIES, 65536)) if wanted else ():
        with suppress(OSError):
            return sockets.bind(candidate, listen=False)
    return sockets.bind(0, listen=False)


def _port_taken(port: int, error: Exception, stderr: TextIO) -> int:
    who = ports.holder(port)
    reason = f"is taken by {who}" if who else f"cannot be used ({getattr(error, 'strerror', None) or error})"
    say(stderr, f"port {port} of 127.0.0.1 {reason}")
    print("hint: --port N, or `port` under [gateway] in config.toml (`openclaude config path`)", file=stderr)
    return FAILED


def _complain(stderr: TextIO, text: str) -> None:
    """Leave a word for the user; on a full disk it is lost, and the gateway is not."""
    with suppress(OSError):
        say(stderr, text)


def _announce(ready: int | None, port: int, redirected: list[str], stderr: TextIO) -> None:
    if ready is not None:
        os.write(ready, b"ready\n")
        os.close(ready)
        return
    say(stderr, f"the gateway listens on 127.0.0.1:{port} (this machine only); ctrl-c stops it")
    for entry in redirected:
        say(stderr, f"--connect-to {entry}")
