"""Proxies, trust, the port, and the gateway that runs or does not."""

import fcntl
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from openclaude import __version__
from openclaude.doctor.findings import Finding, ok, problem, warning
from openclaude.doctor.patient import Patient
from openclaude.launcher import control, daemon, ports
from openclaude.launcher.state import open_state
from openclaude.launcher.trouble import Trouble

_PROXIES: Final = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
_LOOPBACK: Final = frozenset({"127.0.0.1", "*"})
_RESTART: Final = "openclaude restart"


def proxies(patient: Patient) -> Iterator[Finding]:
    """Proxies of the client, and what the gateway makes of them."""
    env = trusted(patient)
    named = [name for name in _PROXIES if env.get(name)]
    if not named:
        yield ok("proxy", "none is set")
    else:
        listed = ", ".join(named)
        yield warning(
            "proxy",
            f"{listed} set: Claude Code's own calls use it, the gateway's go out directly",
            "see that api.anthropic.com:443 can be reached from this machine without the proxy",
        )
        spared = {host.strip() for name in ("NO_PROXY", "no_proxy") for host in env.get(name, "").split(",")}
        if not spared & _LOOPBACK:
            yield warning(
                "proxy",
                f"{listed} set, and NO_PROXY does not spare 127.0.0.1: openclaude adds it for its own sessions only",
                'export NO_PROXY="$NO_PROXY,127.0.0.1,localhost"',
            )
    yield from _trust(env)


def trusted(patient: Patient) -> Mapping[str, str]:
    """The shell's variables with those of the user's own settings over them, as the client has it."""
    merged = dict(patient.env)
    for source in reversed(patient.sources):
        if source.kind == "user":
            merged |= source.env
    return merged


def _trust(env: Mapping[str, str]) -> Iterator[Finding]:
    from openclaude.edge.tls import NoTrustStoreError, trust_file  # noqa: PLC0415 - ssl is not needed before

    if env.get("NODE_TLS_REJECT_UNAUTHORIZED") == "0":
        yield problem(
            "trust",
            "NODE_TLS_REJECT_UNAUTHORIZED is 0: Claude Code takes any certificate of anybody",
            "unset NODE_TLS_REJECT_UNAUTHORIZED, and put your company's authority into NODE_EXTRA_CA_CERTS",
        )
    extra = env.get("NODE_EXTRA_CA_CERTS", "")
    if extra and not os.access(extra, os.R_OK):
        yield problem(
            "trust",
            f"NODE_EXTRA_CA_CERTS names {extra}, which cannot be read",
            "mend the path, or unset NODE_EXTRA_CA_CERTS",
        )
    try:
        yield ok("trust", f"providers are checked against {trust_file()}")
    except NoTrustStoreError:
        yield problem("trust", "no root certificates were found", "install the package ca-certificates")


def gateway(patient: Patient) -> Iterator[Finding]:
    """The gateway that runs, or the port for the next one."""
    run = patient.folder / "run"
    socket = run / control.SOCKET_NAME
    running = control.status(run) if _is_socket(socket) else None
    if running is None:
        if _held(run / "gateway.lock"):
            yield problem(
                "gateway",
                "a gateway holds the lock and does not answer",
                f"look for `openclaude serve` among your processes; its log is {patient.folder}/logs/gateway.log",
            )
            return
        # One that ends in good order leaves the socket, too, but not the port (`State.forget_port`).
        if _is_socket(socket) and (run / "port").exists():
            yield warning(
                "gateway",
                f"{socket} was left behind by a gateway that did not end in good order ({patient.folder}/logs/gateway.err)",
                "openclaude doctor --fix",
                lambda: _removed(socket),
            )
        yield from _port(patient)
        return
    yield from _running(patient, running)


def _running(patient: Patient, running: control.Running) -> Iterator[Finding]:
    try:
        state = open_state(patient.folder)
        daemon.find(state, state.secrets())
    except Trouble as error:
        yield problem("gateway", str(error), error.hint)
        return
    yield ok("gateway", f"runs on port {running.port} (pid {running.pid}), and has proved that it is yours")
    if running.version != __version__:
        yield warning("gateway", f"it is version {running.version}, this command is {__version__}", _RESTART)
    read = patient.config
    if read is not None and running.config != patient.digest:
        yield warning("gateway", "the configuration has changed since it started", "openclaude reload")
    if read is not None and running.port != read.port and ports.is_free(read.port):
        yield warning(
            "gateway", f"it is on port {running.port}, and port {read.port} is free again", _RESTART
        )


def _port(patient: Patient) -> Iterator[Finding]:
    port = patient.config.port if patient.config else 4000
    if ports.is_free(port):
        yield ok("port", f"{port} is free; no gateway runs, and the next session starts one")
        return
    who = ports.holder(port) or "another program"
    yield warning(
        "port",
        f"{port} is taken by {who}, which is not openClaude; openclaude takes the next free port",
        f"end that program, or set another `port` under [gateway] in {patient.folder}/config.toml",
    )


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.lstat().st_mode)
    except OSError:
        return False


def _held(lock: Path) -> bool:
    """Whether somebody holds the lock. A lock that is not there is not made."""
    try:
        handle = os.open(lock, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(handle)
    return False


def _removed(path: Path) -> str:
    path.unlink()
    return f"removed {path}"
