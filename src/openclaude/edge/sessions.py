"""The sessions that use this gateway, each with the AWS environment of the shell it was started from.

The gateway itself inherits no AWS variable: it serves many shells, and the one that happened to start it must not pay
for the others. Environments are kept in memory only, for as long as the session's launcher (and the client it became)
holds its control connection open.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from openclaude.credentials.fingerprints import GATEWAY, KNOWN
from openclaude.domain.aws import PLATFORM_KEY

PREFIX: Final = "AWS_"
MOST: Final = 1024
"""Sessions remembered at most; the oldest gives way."""


@dataclass(slots=True)
class _Session:
    variables: dict[str, str]
    fingerprint: str
    holders: int = 0


_STRANGER: Final = _Session({}, "stranger")
"""Stands for every session that is not known; its fingerprint is nobody's digest, so it shares nobody's look-up."""


class Sessions:
    """Session id → variables.

    Args:
        base: what every look-up's process gets: PATH, HOME and the like.
        own: the AWS variables of the gateway's own environment, for requests that belong to no session.
    """

    def __init__(self, *, base: Mapping[str, str], own: Mapping[str, str]) -> None:
        self._base = dict(base)
        kept = {name: value for name, value in own.items() if is_aws_s(name)}
        self._own = _Session(kept, _digest(kept))
        self._sessions: dict[str, _Session] = {}
        self.changes = 0
        """How often a session came or went. While it stays the same, every name stands for what it stood for."""
        self.tokens: set[bytes] = set()
        """First path segments that admit while their session runs, for clients without our certificate."""

    def __len__(self) -> int:
        return len(self._sessions)

    def register(self, variables: Mapping[Any, Any]) -> str:
        """Take a session in; returns its id, 12 hex digits, the same for the same variables.

        A digest, so that a client whose gateway was restarted is known again as soon as its shell starts another one.
        PATH comes along for credential_process; everything else that is not AWS's is ignored.
        """
        kept = _checked(variables)
        fingerprint = _digest(kept)
        name = fingerprint[:12]
        if name not in self._sessions and len(self._sessions) >= MOST:
            self._sessions.pop(next(iter(self._sessions)))
        session = self._sessions.setdefault(name, _Session(kept, fingerprint))
        session.holders += 1
        self.changes += 1
        return name

    def grant(self, token: str) -> None:
        """Let the token admit, until `revoke`."""
        self.tokens.add(token.encode())
        KNOWN.remember(token.encode(), GATEWAY)

    def revoke(self, token: str) -> None:
        """From here on the token admits nobody."""
        self.tokens.discard(token.encode())

    def forget(self, name: str) -> None:
        """One holder less; the last one takes the variables along."""
        session = self._sessions.get(name)
        if session is None:
            return
        session.holders -= 1
        if session.holders <= 0:
            del self._sessions[name]
            self.changes += 1

    def known(self, name: str) -> bool:
        """Whether the session is registered; requests without one belong to the gateway's own environment."""
        return not name or name in self._sessions

    def environment(self, name: str) -> dict[str, str]:
        """The environment of a look-up for this session."""
        return self._base | self._found(name).variables

    def fingerprint(self, name: str) -> str:
        """The same for every session with the same variables, so that they share one look-up."""
        return self._found(name).fingerprint

    def _found(self, name: str) -> _Session:
        """A session that is not known has nothing: what the gateway's own environment holds is somebody else's."""
        return self._sessions.get(name, _STRANGER) if name else self._own


def is_aws_s(name: str) -> bool:
    """Whether a variable is one of AWS's, or holds the key of Claude Platform on AWS."""
    return name.startswith(PREFIX) or name == PLATFORM_KEY


def _digest(variables: Mapping[str, str]) -> str:
    return hashlib.sha256(b"openclaude-session" + json.dumps(sorted(variables.items())).encode()).hexdigest()


def _checked(variables: Mapping[Any, Any]) -> dict[str, str]:
    return {
        name: value
        for name, value in variables.items()
        if isinstance(name, str)
        and isinstance(value, str)
        and (is_aws_s(name) or name == "PATH")
        and "\0" not in name + value
    }
