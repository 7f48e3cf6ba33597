"""An organisation's settings for Claude Code, without writing them on the machine.

They lie in a folder of the system that only an administrator writes. A process gets a mount namespace of its own, in
which a layer lies over that folder's parent; nobody else sees it, and it ends with the process. Linux only.
"""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from openclaude.launcher.managed import PLACES
from support.patience import DEADLINE
from support.product import OPENCLAUDE, Home
from support.witness import OUTPUT, WITNESS

PLACE: Final = PLACES["linux"][0]
NAMESPACE: Final = ("unshare", "--mount") if os.geteuid() == 0 else ("unshare", "--map-root-user", "--mount")
_WRITTEN: Final = "OPENCLAUDE_TEST_MANAGED"
_SCRIPT: Final = f"""
set -eu
system={PLACE.parent.parent}
mount -t tmpfs layer "$1"
mkdir "$1/upper" "$1/work"
mount -t overlay -o "lowerdir=$system,upperdir=$1/upper,workdir=$1/work" layer "$system"
mkdir -p {PLACE.parent}
printf %s "${_WRITTEN}" > {PLACE}
unset {_WRITTEN}
shift
exec "$@"
"""


def managed(
    settings: Mapping[str, Any],
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    cwd: Path,
    layer: Path,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end where an organisation has given these settings. `layer` is an empty folder to mount at."""
    layer.mkdir(exist_ok=True)
    done = subprocess.run(
        [*NAMESPACE, "sh", "-c", _SCRIPT, "managed", layer, *command],
        env={**env, _WRITTEN: json.dumps(settings)},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    WITNESS.saw(OUTPUT, done.stdout + done.stderr)
    return done


def openclaude_managed(
    home: Home, settings: Mapping[str, Any], *arguments: str, env: Mapping[str, str], cwd: Path
) -> subprocess.CompletedProcess[str]:
    """Run `openclaude` to its end under an organisation's settings."""
    return managed(settings, [*OPENCLAUDE, *arguments], env=env, cwd=cwd, layer=home.path / "layer")
