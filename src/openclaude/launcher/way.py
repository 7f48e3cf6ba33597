"""How a client reaches the gateway: the variables that lead it there, and how it knows that it arrived.

By default both sides prove themselves (mutual TLS). A user whose client already shows another server a certificate keeps it:
the gateway then proves itself by TLS, and a path segment that ends with the session admits. `--compat-http` is for clients
and machines where TLS does not work: nothing proves itself to the client there.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from openclaude.launcher import certificates, control
from openclaude.launcher.control import Session
from openclaude.launcher.daemon import Gateway, GatewayError, other_door, session_url
from openclaude.launcher.state import State
from openclaude.launcher.variables import BASE_URL, CLIENT_CERTIFICATE, CLIENT_KEY, EXTRA_AUTHORITIES, VERIFY

MUTUAL: Final = "mutual"
TLS: Final = "tls"
HTTP: Final = "http"
NOTICE: Final = {
    MUTUAL: "",
    TLS: "CLAUDE_CODE_CLIENT_CERT is yours and stays, so the gateway admits this session by a secret in its path; "
    "programs the session runs can read it, and it ends with the session",
    HTTP: "--compat-http: this session reaches the gateway over plain HTTP with a secret in its path. Should the gateway "
    "end and another program take its port, that program gets the session's requests, login included\n"
    "hint: leave the flag out wherever Claude Code accepts the gateway's certificate",
}
"""What the user is told of a way, empty when there is nothing to tell."""


def choose(trusted: Mapping[str, str], home: Path, *, compat_http: bool) -> str:
    """Which way a client takes.

    Args:
        trusted: the variables as the user set them, wherever.
        home: the installation's folder: in a session inside a session, the client certificate is ours already.
        compat_http: the flag.
    """
    if compat_http:
        return HTTP
    own = trusted.get(CLIENT_CERTIFICATE, "")
    return TLS if own and (home / "tls") not in Path(own).parents else MUTUAL


def variables(
    state: State, gateway: Gateway, session: Session, way: str, own_authorities: str, profile: str = ""
) -> dict[str, str]:
    """The variables that lead a client to the gateway.

    Args:
        state: the installation's folders.
        gateway: the running gateway.
        session: the client's session; it holds a token unless the way is `mutual`.
        way: as `choose` says.
        own_authorities: the path of the user's own `NODE_EXTRA_CA_CERTS`, empty without one.
        profile: the set-up whose routes the session takes, empty for the ordinary one.

    Raises:
        GatewayError: the gateway does not serve that way, or the user's file cannot be read.
        StateError: a file of ours cannot be written.
    """
    if way == HTTP:
        return {BASE_URL: session_url(other_door(state, gateway, HTTP, session.token), session, profile)}
    try:
        bundle = certificates.bundle(state, gateway.pairs, own_authorities)
    except OSError as error:
        raise GatewayError(
            f"{EXTRA_AUTHORITIES} names {own_authorities}, which cannot be read: {error.strerror}",
            "mend the file's path or permissions, or unset the variable",
        ) from error
    led = {EXTRA_AUTHORITIES: str(bundle), VERIFY: "1"}
    if way == TLS:
        return led | {BASE_URL: session_url(other_door(state, gateway, TLS, session.token), session, profile)}
    return led | {
        BASE_URL: session_url(gateway.base_url, session, profile),
        CLIENT_CERTIFICATE: str(gateway.pairs[-1].client_certificate),
        CLIENT_KEY: str(gateway.pairs[-1].client_key),
    }


def open_session(state: State, env: Mapping[str, str], way: str, *, keep: bool = False) -> Session:
    """Tell the gateway of the session, with the shell's AWS variables. Raises `GatewayError`."""
    opened = control.open_session(state.run, env, keep=keep, token=way != MUTUAL)
    if opened is None:
        raise GatewayError("the gateway does not take this session in", "openclaude restart")
    return opened
