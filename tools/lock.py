"""Compile the hash-locked requirements with pip-tools in a throw-away environment.

The files carry hashes and nothing that names a registry: no index lines, no find-links.
"""

import pathlib
import subprocess
import sys
import tempfile
import venv

ROOT = pathlib.Path(__file__).resolve().parent.parent
FLAGS = (
    "--quiet",
    "--generate-hashes",
    "--allow-unsafe",
    "--no-strip-extras",
    "--no-emit-index-url",
    "--no-emit-trusted-host",
    "--no-emit-find-links",
    "--no-header",
    "--no-config",
)
TARGETS = (
    ("requirements/runtime.txt", "pyproject.toml"),
    ("requirements/build.txt", "requirements/build.in"),
    ("requirements/dev.txt", "requirements/dev.in"),
)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = pathlib.Path(folder, "bin", "python")
        subprocess.run([python, "-m", "pip", "install", "-q", "pip-tools"], check=True)
        for output, source in TARGETS:
            print(f"{source} -> {output}", file=sys.stderr)
            subprocess.run(
                [python, "-m", "piptools", "compile", *FLAGS, *sys.argv[1:], "-o", output, source],
                cwd=ROOT,
                check=True,
            )


if __name__ == "__main__":
    main()
