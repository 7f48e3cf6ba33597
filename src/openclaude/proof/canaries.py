"""Invented credentials, one of each kind that could be near a session, and where each has to arrive."""

import base64
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

ANTHROPIC: Final = "Anthropic"
BEDROCK: Final = "Bedrock"
PLATFORM: Final = "Claude Platform on AWS"
AWS: Final = "other AWS services"
STRANGER: Final = "proxy or stranger"
CLIENT: Final = "client"
FILES: Final = "files and logs"
PROCESSES: Final = "process list"

DESTINATIONS: Final[Mapping[str, str]] = {
    ANTHROPIC: "every byte the simulated api.anthropic.com received",
    BEDROCK: "every byte the simulated Bedrock endpoints received, in all three of its dialects",
    PLATFORM: "every byte the simulated Claude Platform on AWS received, which is another account than either",
    AWS: "every byte the simulated STS and Bedrock control plane received",
    STRANGER: "every byte a proxy named in the environment, and the target of a redirect, received",
    CLIENT: "every answer, heads and error messages included, and what Claude Code printed",
    FILES: "every file the gateway wrote: log, settings, sockets' folder, error output",
    PROCESSES: "command line and environment of the gateway, as other programs of the user see them",
}


@dataclass(frozen=True, slots=True)
class Canary:
    """A credential that exists only in this run.

    Attributes:
        name: what it is called in the report.
        about: where it was planted.
        goes_to: the destination at which it has to arrive; empty for a credential that must not leave at all.
        value: the secret.
    """

    name: str
    about: str
    goes_to: str = ""
    value: str = field(default="", repr=False)


def token(prefix: str = "") -> str:
    """A value that is not found by chance, in the shape its kind has."""
    return prefix + base64.b32encode(secrets.token_bytes(20)).decode()


def key_id() -> str:
    """An AWS access key id."""
    return "AKIA" + base64.b32encode(secrets.token_bytes(10)).decode()


def values(canaries: Iterable[Canary]) -> dict[str, str]:
    """The secrets by name."""
    return {canary.name: canary.value for canary in canaries}


def required(canaries: Iterable[Canary]) -> set[tuple[str, str]]:
    """Each canary with the destination at which it has to arrive."""
    return {(canary.name, canary.goes_to) for canary in canaries if canary.goes_to}
