"""`openclaude serve`: the gateway in the foreground."""

import argparse
import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TextIO

from openclaude.cli.common import FAILED, PROBLEMS, WRONG, Setup, explain, say, setup
from openclaude.launcher import certificates, control, ports

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


def run(args: argparse.Namespace, *, env: Mapping[str, str], stdout: TextIO, stderr: TextIO) -> int:
    """Serve until SIGTERM, SIGINT or `openclaude stop`."""
    del stdout
    try:
        found = setup(env, args.config)
        if _gateway_lock(found) is None:
            return _already_running(found, stderr)
        return _serve(args, found, env, stderr)
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


def _serve(args: argparse.Namespace, found: Setup, env: Mapping[str, str], stderr: TextIO) -> int:
    import asyncio  # noqa: PLC0415  only a gateway needs the event loop

    import uvloop  # noqa: PLC0415

    from openclaude import wiring  # noqa: PLC0415
    from openclaude.edge import control as control_server  # noqa: PLC0415
    from openclaude.edge import dial, listener  # noqa: PLC0415
    from openclaude.edge.tls import NoTrustStoreError  # noqa: PLC0415

    os.umask(0o077)
    port = found.config.port if args.port is None else args.port
    try:
        dial_map = dial.parse(args.connect_to)
        sockets = {"mutual": listener.bind(port)}
    except dial.DialError as error:
        say(stderr, str(error))
        return WRONG
    except (OSError, OverflowError) as error:
        return _port_taken(port, error, stderr)
    actual = sockets["mutual"].getsockname()[1]
    sockets |= {door: _beside(actual, port) for door in ("tls", "http")}
    found.state.remember_port(actual)
    plan = wiring.Plan(
        config=found.config,
        profiles=found.profiles,
        sockets=sockets,
        certificates=lambda: certificates.ensure(found.state),
        control=control_server.bind(found.state.run),
        log_file=found.state.log_file,
        base_path=found.secrets.base_path,
        identity=found.secrets.identity,
        dial=dial_map,
        ca_file=args.ca_file,
        env=env,
        ready=lambda: _announce(args.ready_fd, actual, args.connect_to, stderr),
    )
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(wiring.serve(plan))
        found.state.forget_port()
    except (NoTrustStoreError, OSError) as error:
        say(stderr, f"the gateway cannot run: {error}\nhint: openclaude doctor")
        return FAILED
    return 0


def _beside(port: int, wanted: int) -> socket.socket:
    """A port that is kept for a door nobody has asked for yet: the next free one, so that it is the same each time."""
    from openclaude.edge import listener  # noqa: PLC0415

    for candidate in range(port + 1, min(port + 1 + ports.TRIES, 65536)) if wanted else ():
        with suppress(OSError):
            return listener.bind(candidate, listen=False)
    return listener.bind(0, listen=False)


def _port_taken(port: int, error: Exception, stderr: TextIO) -> int:
    who = ports.holder(port)
    reason = f"is taken by {who}" if who else f"cannot be used ({getattr(error, 'strerror', None) or error})"
    say(stderr, f"port {port} of 127.0.0.1 {reason}")
    print("hint: --port N, or `port` under [gateway] in config.toml (`openclaude config path`)", file=stderr)
    return FAILED


def _announce(ready: int | None, port: int, redirected: list[str], stderr: TextIO) -> None:
    if ready is not None:
        os.write(ready, b"ready\n")
        os.close(ready)
        return
    say(stderr, f"the gateway listens on 127.0.0.1:{port} (this machine only); ctrl-c stops it")
    for entry in redirected:
        say(stderr, f"--connect-to {entry}")
