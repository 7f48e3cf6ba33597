"""The settings the client is given by `--settings`: the strongest of its sources short of a managed policy.

What the user gave by a `--settings` of their own stays, below ours: each key that decides where the client's login
goes, or which credential is used, is set here, so that a repository's settings cannot. What the user set themselves
(shell, own settings file, own `--settings`) is told apart from what a repository sets: proxies and certificates keep
the user's value, and only loopback bypasses the proxy.

The result is written to a file of mode 0600. It holds no login; a proxy address with a password in it, or what the
user's own `--settings` contains, is as readable there as where it came from.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from openclaude.launcher.trouble import Trouble
from openclaude.launcher.variables import (
    BASE_URL,
    CUSTOM_HEADERS,
    HELPER_KEYS,
    LOGIN_KEYS,
    LOGIN_VARIABLE,
    NO_PROXY,
    OWN_HELPER_KEYS,
    PIN_OF,
    SLOT_VARIABLES,
    SMALL_FAST,
    VERIFY,
    WINDOW,
    Pin,
)

LOOPBACK = ("127.0.0.1", "localhost")
STATUS_LINE = "statusLine"
REFRESH = 30
"""Seconds after which the client runs a status line's command again, if nothing else has made it."""
NO_LOGIN = "no-login-needed"
"""Stands where the client wants a token and no provider will ever see one."""
_ALIASES = frozenset({"best", "default", "fable", "haiku", "inherit", "opus", "opusplan", "sonnet"})
_CREDENTIAL_WORDS = (
    "auth",
    "cookie",
    "credential",
    "key",
    "password",
    "secret",
    "session",
    "signature",
    "token",
)
_FRAMING_HEADERS = frozenset({"connection", "content-length", "host", "transfer-encoding", "upgrade"})


@dataclass(slots=True)
class SettingsError(Trouble):
    """The user's own `--settings` cannot be used.

    Attributes:
        where: the file, or "--settings".
        what: what is wrong.
        hint: what the user can do.
    """

    where: str
    what: str
    hint: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def derive_overlay(
    *,
    way: Mapping[str, str],
    slots: Mapping[str, str],
    window: int | None,
    environ: Mapping[str, str],
    routable: Callable[[str], bool],
    user_settings: Mapping[str, object] | None = None,
    user_overlay: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """The settings for the client, as an object to be written as JSON.

    Args:
        way: the variables that lead to the gateway, as `way.variables` gives them; its base URL at least.
        slots: model name by slot (`opus`, `sonnet`, `haiku`, `fable`), only the slots that are set.
        window: tokens; the smallest context window of the slots' models the client does not know.
        environ: the user's environment.
        routable: whether a route takes a model of this name; the tiers' aliases need no route.
        user_settings: the user's own settings file, read only.
        user_overlay: the content of the user's own `--settings`.
    """
    own = user_settings or {}
    overlay = dict(user_overlay or {})
    trusted = trusted_environment(environ, own, overlay)
    env = _environment_of(overlay)
    env |= _pinned(trusted, routable)
    env |= {
        name: merge_no_proxy(trusted.get(name) or trusted.get(other, "")) for name, other in _both_cases()
    }
    env |= _slot_variables(slots)
    env |= way
    env[CUSTOM_HEADERS] = harmless_headers(trusted.get(CUSTOM_HEADERS, ""))
    if window is not None:
        env[WINDOW] = str(window)
    overlay |= dict.fromkeys(HELPER_KEYS, "")
    overlay |= {key: overlay.get(key) or own.get(key) or "" for key in OWN_HELPER_KEYS}
    model = overlay.get("model") or own.get("model")
    if isinstance(model, str) and not _acceptable(model, routable):
        overlay["model"] = ""  # the client's own default
    return overlay | {"env": env}


def with_status_line(overlay: Mapping[str, object], command: str, project: Path) -> dict[str, object]:
    """The settings for a client that shows a command's output below its prompt, unless something is shown there already.

    What stands in `overlay` is the user's. A project's own settings are read, because ours would displace them.
    """
    files = (project / ".claude" / name for name in ("settings.json", "settings.local.json"))
    if overlay.get(STATUS_LINE) or any(load_settings(file).get(STATUS_LINE) for file in files):
        return dict(overlay)
    return {
        **overlay,
        STATUS_LINE: {"type": "command", "command": command, "refreshInterval": REFRESH},
    }


def without_login(overlay: Mapping[str, object]) -> dict[str, object]:
    """The settings for a session in which nothing goes to Anthropic, so that nobody has to log in.

    Without any credential the client asks for a login and sends nothing. A token that is none takes the place of a
    stored login too, which then does not leave the client at all.
    """
    return {**overlay, "env": {**_environment_of(overlay), LOGIN_VARIABLE: NO_LOGIN}}


def trusted_environment(
    environ: Mapping[str, str], user_settings: Mapping[str, object], user_overlay: Mapping[str, object]
) -> dict[str, str]:
    """The variables as the user set them, in the client's order: shell, own settings file, own `--settings`."""
    return {**environ, **_environment_of(user_settings), **_environment_of(user_overlay)}


def set_aside(*sources: Mapping[str, object]) -> tuple[str, ...]:
    """Names (never values) of what the user's own settings say and openClaude overrides: for one line to the user."""
    names: set[str] = set()
    for source in sources:
        names.update(key for key in HELPER_KEYS if source.get(key))
        env = _environment_of(source)
        names.update(
            f"env.{name}" for name, value in env.items() if value and PIN_OF.get(name) is Pin.NOTHING
        )
        if env.get(BASE_URL):
            names.add(f"env.{BASE_URL}")
        if env.get(VERIFY) == "0":
            names.add(f"env.{VERIFY}")
    return tuple(sorted(names))


def merge_no_proxy(existing: str) -> str:
    """The user's list of hosts without a proxy, loopback added."""
    hosts = [host for part in existing.split(",") if (host := part.strip())]
    if "*" in hosts:
        return existing
    return ",".join([*hosts, *(host for host in LOOPBACK if host not in hosts)])


def harmless_headers(text: str) -> str:
    """The user's `ANTHROPIC_CUSTOM_HEADERS` (lines of `Name: value`) without credentials and framing.

    A custom `Authorization` would replace the login (seen with 2.1.330), and a header meant for another gateway has
    no business at ours: names that sound like a credential are dropped whole, the rest (say, `X-Team`) stays.
    """
    kept: list[str] = []
    for line in text.splitlines():
        name = line.partition(":")[0].strip().lower()
        if name and name not in _FRAMING_HEADERS and not any(word in name for word in _CREDENTIAL_WORDS):
            kept.append(line.strip())
    return "\n".join(kept)


def loses_headers(text: str) -> bool:
    """Whether a line of `ANTHROPIC_CUSTOM_HEADERS` is left out by `harmless_headers`."""
    return len(harmless_headers(text).splitlines()) < sum(bool(line.strip()) for line in text.splitlines())


def load_overlay(argument: str, folder: Path) -> dict[str, object]:
    """What the user's own `--settings` says: JSON in the argument itself or, like the client, a file's path.

    Args:
        argument: the value as given.
        folder: where a relative path starts.

    Raises:
        SettingsError: no such file, or no JSON object.
    """
    if argument.lstrip().startswith("{"):
        return _json_object(argument, "--settings", 'write it as JSON: --settings \'{"model": "opus"}\'')
    path = folder / Path(argument).expanduser()
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text in UTF-8"
        hint = "--settings takes the path of a JSON file, or JSON"
        raise SettingsError(str(path), f"cannot be read: {reason}", hint) from error
    return _json_object(text, str(path), "mend the file, or leave --settings out")


def load_settings(path: Path) -> dict[str, object]:
    """The user's own settings file; empty when it is missing or broken, about which the client itself speaks up."""
    try:
        return _json_object(path.read_text("utf-8-sig"), str(path), "")
    except (OSError, UnicodeDecodeError, SettingsError):
        return {}


def without_provider_keys(
    settings: Mapping[str, object], routable: Callable[[str], bool]
) -> dict[str, object]:
    """A copy without what chooses a provider, a credential, or a model that no route takes."""
    dropped = (*HELPER_KEYS, *LOGIN_KEYS, "env")
    kept = {key: value for key, value in settings.items() if key not in dropped}
    if isinstance(kept.get("model"), str) and not _acceptable(str(kept["model"]), routable):
        del kept["model"]
    env = {
        name: value for name, value in _environment_of(settings).items() if _may_stay(name, value, routable)
    }
    return kept | ({"env": env} if env else {})


def _may_stay(name: str, value: str, routable: Callable[[str], bool]) -> bool:
    if name in {BASE_URL, CUSTOM_HEADERS, SMALL_FAST}:
        return False
    match PIN_OF.get(name):
        case Pin.NOTHING:
            return False
        case Pin.MODEL:
            return _acceptable(value, routable)
        case _:
            return True


def _pinned(trusted: Mapping[str, str], routable: Callable[[str], bool]) -> dict[str, str]:
    pinned: dict[str, str] = {}
    for name, pin in PIN_OF.items():
        own = trusted.get(name, "")
        match pin:
            case Pin.NOTHING:
                pinned[name] = ""
            case Pin.OWN:
                pinned[name] = own
            case Pin.MODEL:
                pinned[name] = own if _acceptable(own, routable) else ""
            case Pin.LOGIN if not own:
                pinned[name] = ""
    return pinned


def _slot_variables(slots: Mapping[str, str]) -> dict[str, str]:
    named = {SLOT_VARIABLES[slot]: model for slot, model in slots.items()}
    # The client's background calls prefer this one to the haiku slot's: left alone it would split the slot.
    return named | ({SMALL_FAST: slots["haiku"]} if "haiku" in slots else {})


def is_alias(model: str) -> bool:
    """Whether the client reads the name as one of its tiers, or as its own choice."""
    return model.strip().lower().partition("[")[0] in _ALIASES


def _acceptable(model: str, routable: Callable[[str], bool]) -> bool:
    return is_alias(model) or routable(model)


def _both_cases() -> tuple[tuple[str, str], tuple[str, str]]:
    upper, lower = NO_PROXY
    return (upper, lower), (lower, upper)


def _environment_of(settings: Mapping[str, object]) -> dict[str, str]:
    """The `env` of a settings object; like the client, numbers and booleans become text and the rest is ignored."""
    env = settings.get("env")
    if not isinstance(env, Mapping):
        return {}
    return {
        str(name): value if isinstance(value, str) else json.dumps(value)
        for name, value in env.items()
        if isinstance(value, str | int | float)
    }


def _json_object(text: str, where: str, hint: str) -> dict[str, object]:
    try:
        parsed = json.loads(text)
    except ValueError as error:
        raise SettingsError(where, f"is not JSON: {error}", hint) from error
    if not isinstance(parsed, dict):
        raise SettingsError(where, "is not a JSON object", hint)
    return parsed
