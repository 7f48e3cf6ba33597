"""What competes with the login or could lead it elsewhere: variables and settings, wherever they are set."""

from collections.abc import Iterator, Mapping
from typing import Final

from openclaude.doctor.findings import Finding, ok, problem, warning
from openclaude.doctor.patient import Patient, Source
from openclaude.launcher.settings import harmless_headers
from openclaude.launcher.variables import (
    BASE_URL,
    CUSTOM_HEADERS,
    HELPER_KEYS,
    LOGIN_KEYS,
    PIN_OF,
    TRANSPORT,
    Pin,
)

_CHECK: Final = "settings"
_ASIDE: Final = "openclaude sets it aside in its sessions; `claude` alone heeds it"
_ADMINISTRATOR: Final = (
    "ask those who administer this machine to take it out, or use `claude` without openclaude here"
)


def shadows(patient: Patient) -> Iterator[Finding]:
    """A line for each variable and key that would shadow the login, or keep the client from the gateway."""
    found = [*_shell(patient.env)]
    for source in patient.sources:
        found += _managed(source) if source.kind == "managed" else _file(source)
    yield from found
    if not found:
        yield ok(_CHECK, "nothing in the environment or in Claude Code's settings competes with the login")


def competing(env: Mapping[str, str]) -> list[str]:
    """The names, not the values, of variables that lead to another credential, provider or place."""
    return [
        name for name, value in env.items() if value and (name == BASE_URL or PIN_OF.get(name) is Pin.NOTHING)
    ]


def _shell(env: Mapping[str, str]) -> Iterator[Finding]:
    inside = "OPENCLAUDE_LAUNCH" in env
    for name in competing(env):
        if not (inside and name == BASE_URL):  # in a session of openclaude's it is ours
            yield warning(_CHECK, f"{name} is set in the environment: {_ASIDE}", f"unset {name}")
    if _loses_headers(env):
        yield warning(
            _CHECK,
            f"{CUSTOM_HEADERS} in the environment has a header that is named like a credential: it is left out",
            f"take it out of {CUSTOM_HEADERS}",
        )


def _file(source: Source) -> Iterator[Finding]:
    where = source.path
    if source.content is None:
        yield problem(_CHECK, f"{where} {source.trouble}: Claude Code leaves all of it out", "mend the file")
        return
    for name in competing(source.env):
        yield warning(_CHECK, f"env.{name} is set in {where}: {_ASIDE}", f"remove env.{name} from {where}")
    for key in HELPER_KEYS:
        if source.content.get(key):
            yield warning(_CHECK, f"{key} is set in {where}: {_ASIDE}", f"remove {key} from {where}")
    if _loses_headers(source.env):
        yield warning(
            _CHECK,
            f"env.{CUSTOM_HEADERS} in {where} has a header that is named like a credential: it is left out",
            f"take it out of {where}",
        )


def _managed(source: Source) -> Iterator[Finding]:
    """An organisation's settings outrank everything openclaude gives."""
    where = source.path
    if source.content is None:
        yield problem(_CHECK, f"{where}, an organisation's settings, {source.trouble}", _ADMINISTRATOR)
        return
    names = [
        f"env.{name}"
        for name in (*competing(source.env), *(name for name in TRANSPORT if name in source.env))
    ]
    names += [key for key in (*HELPER_KEYS, *LOGIN_KEYS) if source.content.get(key)]
    for name in names:
        yield problem(
            _CHECK,
            f"{name} is set in {where}, an organisation's settings, which outrank openclaude: the session may not use "
            "the gateway or the login",
            _ADMINISTRATOR,
        )
    if not names:
        yield ok(_CHECK, f"{where}, an organisation's settings, leave the gateway and the login alone")


def _loses_headers(env: Mapping[str, str]) -> bool:
    given = [line for line in env.get(CUSTOM_HEADERS, "").splitlines() if line.strip()]
    return len(harmless_headers("\n".join(given)).splitlines()) < len(given)
