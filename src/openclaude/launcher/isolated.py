"""`--isolated`: the client with a configuration folder of its own that feels like the user's.

The folder is derived at each launch and may be deleted at any time: it holds links to the user's things, a copy of
the settings without provider keys, and the client's state carried over by name. The user's own folder and state file
are only read here. No login is copied: the client is told to look for it where it is
(`environment.child_environment`), because refresh tokens rotate and two copies would log each other out.

What is linked and carried was tried with the client (2.1.330): agents, skills, commands, rules, CLAUDE.md, sessions
to resume, MCP servers and the skipped first-run dialogue.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from openclaude.launcher.files import StateError, private_dir, read_private, write_private
from openclaude.launcher.settings import load_settings, without_provider_keys

LINKS = (
    "CLAUDE.md",
    "agents",
    "commands",
    "file-history",
    "history.jsonl",
    "keybindings.json",
    "output-styles",
    "plans",
    "plugins",
    "projects",
    "rules",
    "skills",
    "tasks",
    "themes",
    "todos",
)

# Of the client's state file: what spares the first-run dialogue, keeps the look, and names the account (so that
# requests carry the same identifiers). `primaryApiKey` and `customApiKeyResponses` stay behind: they are credentials,
# or answers about one.
_STATE_KEYS = (
    "autoConnectIde",
    "bypassPermissionsModeAccepted",
    "editorMode",
    "hasCompletedOnboarding",
    "installMethod",
    "lastOnboardingVersion",
    "oauthAccount",
    "preferredNotifChannel",
    "theme",
    "userID",
    "verbose",
)
_PROJECT_KEYS = (
    "allowedTools",
    "disabledMcpServers",
    "disabledMcpjsonServers",
    "enabledMcpServers",
    "enabledMcpjsonServers",
    "hasClaudeMdExternalIncludesApproved",
    "hasCompletedProjectOnboarding",
    "hasTrustDialogAccepted",
    "mcpServers",
)


@dataclass(frozen=True, slots=True)
class Originals:
    """Where the user's own configuration is: read, never written.

    Attributes:
        folder: `~/.claude`, or what `CLAUDE_CONFIG_DIR` says.
        state: `~/.claude.json`, or `.claude.json` inside `CLAUDE_CONFIG_DIR`.
    """

    folder: Path
    state: Path

    @property
    def settings(self) -> Path:
        return self.folder / "settings.json"


def originals(environ: Mapping[str, str], home: Path) -> Originals:
    """The user's own configuration, found as the client finds it."""
    given = environ.get("CLAUDE_CONFIG_DIR")
    if given:
        return Originals(Path(given), Path(given) / ".claude.json")
    return Originals(home / ".claude", home / ".claude.json")


def prepare(state_home: Path, source: Originals, routable: Callable[[str], bool], profile: str = "") -> Path:
    """Derive the client's folder anew; what the client itself made there stays.

    Args:
        state_home: openClaude's folder, `~/.openClaude`.
        source: the user's own configuration.
        routable: whether a route takes a model of this name.
        profile: the set-up it is for, empty for the ordinary one; each has a folder of its own.

    Returns:
        The folder for `CLAUDE_CONFIG_DIR`.

    Raises:
        StateError: something in openClaude's folder is not ours, or the user's folder is inside it.
    """
    folder = private_dir(private_dir(state_home) / (f"claude-{profile}" if profile else "claude"))
    if source.folder.absolute().is_relative_to(state_home.absolute()):
        hint = "unset CLAUDE_CONFIG_DIR: it names openClaude's own folder"
        raise StateError(source.folder, "is not a configuration of your own", hint)
    settings = without_provider_keys(load_settings(source.settings), routable)
    _write_if_changed(folder / "settings.json", settings)
    _carry_state(folder / ".claude.json", source.state)
    try:
        for name in LINKS:
            _link(folder / name, source.folder / name)
    except OSError as error:
        hint = "check the folder's permissions and the free space"
        raise StateError(folder, f"cannot be filled with links: {error.strerror}", hint) from error
    return folder


def merged_state(user: Mapping[str, object], ours: Mapping[str, object]) -> dict[str, object]:
    """The isolated client's state file: its own content, with what is carried over from the user's.

    Servers and projects known only to the isolated client stay; for those known to both, the user's word counts.
    """
    merged = dict(ours) | {key: user[key] for key in _STATE_KEYS if key in user}
    servers = {**_object(ours.get("mcpServers")), **_object(user.get("mcpServers"))}
    projects = dict(_object(ours.get("projects")))
    for path, project in _object(user.get("projects")).items():
        carried = {key: value for key, value in _object(project).items() if key in _PROJECT_KEYS}
        projects[path] = {**_object(projects.get(path)), **carried}
    found = {"mcpServers": servers, "projects": projects}
    return merged | {key: value for key, value in found.items() if value}


def _carry_state(path: Path, source: Path) -> None:
    _write_if_changed(path, merged_state(load_settings(source), _parsed(read_private(path))))


def _write_if_changed(path: Path, content: Mapping[str, object]) -> None:
    # A running client rewrites its files too; not writing what is there already keeps out of its way.
    if _parsed(read_private(path)) != content or not path.exists():
        write_private(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def _link(path: Path, target: Path) -> None:
    """Link to the user's thing; a real file or a filled folder made here by the client is left alone."""
    if path.is_symlink():
        if path.readlink() == target and target.exists():
            return
        path.unlink(missing_ok=True)
    if not target.exists():
        return
    with suppress(OSError):  # only an empty folder goes
        path.rmdir()
    with suppress(FileExistsError):  # the client's own, or another launch was faster
        path.symlink_to(target)


def _parsed(data: bytes | None) -> dict[str, object]:
    try:
        return dict(_object(json.loads(data or b"{}")))
    except ValueError:
        return {}


def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}
