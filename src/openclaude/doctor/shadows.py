"""What competes with the login or could lead it elsewhere: variables and settings, wherever they are set."""

from collections.abc import Iterator, Mapping
from typing import Final

from openclaude.doctor.findings import Finding, ok, problem, warning
from openclaude.doctor.patient import Patient, Source
from openclaude.launcher.managed import deciding
from openclaude.launcher.settings import loses_headers
from openclaude.launcher.variables import (
    BASE_URL,
    CUSTOM_HEADERS,
    HELPER_KEYS,
    LOGIN_KEYS,
    PIN_OF,
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
    if loses_headers(env.get(CUSTOM_HEADERS, "")):
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
    if loses_headers(source.env.get(CUSTOM_HEADERS, "")):
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
    names = [*deciding(source.content), *(key for key in LOGIN_KEYS if source.content.get(key))]
    for name in names:
        yield problem(
            _CHECK,
            f"{name} is set in {where}, an organisation's settings, which outrank openclaude: the session may not use "
            "the gateway or the login",
            _ADMINISTRATOR,
        )
    if not names:
        yield ok(_CHECK, f"{where}, an organisation's settings, leave the gateway and the login alone")
