"""A state folder on a disk that has become read-only, as a kernel does it after an error of the disk."""

import json
import os
import subprocess
import sys
from pathlib import Path

_TESTS = Path(__file__).resolve().parents[1]


def test_in_a_read_only_state_folder_requests_go_on_even_those_after_the_workers_end(tmp_path: Path) -> None:
    """In a mount namespace of its own (unshare, util-linux): root, or a user who may make namespaces."""
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    done = subprocess.run(
        ["unshare", "--mount", *as_root, sys.executable, "-m", "support.read_only", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(_TESTS)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert not told["writable"]
    assert told["before"] == told["then"] == told["replaced"] == [200, 200]
    assert told["other worker"]
    assert "run/port: cannot be written: Read-only file system hint: " in told["written"]
    assert told["status"][0].startswith("running ")
