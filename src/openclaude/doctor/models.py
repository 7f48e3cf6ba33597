"""The configuration, and the model names Claude Code will send against its routes."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from openclaude import config
from openclaude.doctor.findings import Finding, ok, problem, warning
from openclaude.doctor.patient import Patient
from openclaude.domain.models import CLIENT_DEFAULTS, is_claude, normalise
from openclaude.launcher.settings import is_alias
from openclaude.launcher.variables import PIN_OF, Pin

_CLASSIFIER: Final = "claude-sonnet-5"
"""What Claude Code asks in auto mode whether an action is safe, where the API gives no verdict. Claude Code 2.1.330."""


def configuration(patient: Patient) -> Iterator[Finding]:
    """Whether there is one, and every problem of it."""
    path = config.config_path(patient.folder)
    if patient.config_error is not None:
        for found in patient.config_error.problems:
            key = f"{found.key} " if found.key else ""
            where = f"{found.file}:{found.line}" if found.line else found.file
            yield problem(
                "configuration", f"{where}: {key}{found.message}", found.hint, _fix_of(path, found.message)
            )
        return
    if patient.config is None or patient.config.source is None:
        yield warning(
            "configuration",
            f"there is no {path}; the built-in one is used",
            "openclaude doctor --fix writes it, with comments",
            lambda: f"wrote {config.ensure_written(patient.folder)[0]}",
        )
    else:
        yield ok("configuration", f"{path}, {len(patient.routes)} routes")
    yield from _profiles(patient)
    for written, used in patient.config.normalised if patient.config else ():
        yield ok("configuration", f"`{written}` is used as `{used}`")


def _profiles(patient: Patient) -> Iterator[Finding]:
    for name in config.profile_names(patient.folder):
        try:
            config.load_profile(patient.folder, name)
        except config.ConfigError as error:
            found = error.problems[0]
            where = f"{found.file}:{found.line}" if found.line else found.file
            yield problem(
                "configuration", f"profile {name}: {where}: {found.key} {found.message}", found.hint
            )
        else:
            yield ok("configuration", f"profile {name}")


def models(patient: Patient) -> Iterator[Finding]:
    """Every name the client will send: the tiers', and those the user or a project sets."""
    if patient.config is None:
        return
    unrouted = False
    for tier, default in CLIENT_DEFAULTS.items():
        model = patient.config.slots.get(tier, default)
        if patient.route_of(model) is None:
            unrouted = True
            yield problem(
                "models",
                f"no route takes `{model}`, which Claude Code asks for in the {tier} tier: such requests get a 404",
                f"set {tier} under [slots] to a name a route takes, or add a route ({config.config_path(patient.folder)})",
            )
    if patient.route_of(_CLASSIFIER) is None:
        yield warning(
            "models",
            f"no route takes `{_CLASSIFIER}`, which Claude Code may ask in auto mode whether an action is safe",
            f'add [[routes]] with match = "{_CLASSIFIER}"',
        )
    named = list(_named(patient))
    yield from (finding for where, name in named for finding in _judged(patient, where, name))
    if not unrouted:
        yield ok("models", "every tier's model has a route")


def _judged(patient: Patient, where: str, name: str) -> Iterator[Finding]:
    used = normalise(name)
    if is_alias(name):
        return
    if patient.route_of(name) is None:
        yield warning(
            "models",
            f"no route takes `{used}`, which {where} asks for: openclaude leaves that out of its sessions",
            f"name a model that a route takes (`openclaude routes`), or remove it from {where}",
        )
    elif used != name and not is_claude(used):
        yield ok("models", f"`{name}` in {where} is used as `{used}`: [1m] is no part of a name")


def _named(patient: Patient) -> Iterator[tuple[str, str]]:
    """Where a model is named, and the name."""
    pinned = [name for name, pin in PIN_OF.items() if pin is Pin.MODEL]
    yield from ((name, patient.env[name]) for name in pinned if patient.env.get(name))
    for source in patient.sources:
        yield from (
            (f"env.{name} of {source.path}", source.env[name]) for name in pinned if source.env.get(name)
        )
        model = (source.content or {}).get("model")
        if isinstance(model, str) and model:
            yield f"model of {source.path}", model
        yield from _overrides(source.content or {}, source.path)


def _overrides(content: Mapping[str, Any], path: Path) -> Iterator[tuple[str, str]]:
    found = content.get("modelOverrides")
    for value in found.values() if isinstance(found, Mapping) else ():
        if isinstance(value, str):
            yield f"modelOverrides of {path}", value


def _fix_of(path: Path, message: str) -> "Any":
    """A file that others can change is ours to close; everything else is for the user to decide."""
    if "can be changed by every user" not in message:
        return None

    def close() -> str:
        path.chmod(0o600)
        return f"chmod 600 {path}"

    return close
