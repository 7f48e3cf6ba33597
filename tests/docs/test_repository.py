"""What no file of the repository may hold, and what every source file keeps to."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Put together here, so that this file does not hold what it looks for.
REGISTRIES = (
    "pypi.",
    "python" + "hosted.",
    "npmjs.",
    "yarnpkg.",
    "npmmirror.",
    "crates.",
    "rubygems.",
    "golang.",
)
MACHINE_FOLDERS = ("work", "root", "farm")
FORBIDDEN = {
    "a registry's host name": "|".join(rf"\b{re.escape(name)}(org|com|io)\b" for name in REGISTRIES),
    "an absolute path of a machine": rf"(?<![\w.~-])/({'|'.join(MACHINE_FOLDERS)})/",
    "an e-mail address": (
        r"[\w.%+-]+@(?!([\w-]+\.)*(example|invalid|test)\b)(?!example\.(com|org|net)\b)([\w-]+\.)+[A-Za-z]{2,}\b"
    ),
    "a path out of the repository": re.escape("../" + "shared"),
    "an Anthropic key": "sk-" + r"ant-[a-z0-9]+-[\w-]{8,}",
    "an AWS key id": r"\b(AKIA|ASIA)[A-Z0-9]{16}\b",
    "a private key": "-----BEGIN " + r"([A-Z]+ )*PRIVATE KEY-----",
}
SAMPLES = [
    ("a registry's host name", "https://" + REGISTRIES[0] + "org/simple/"),
    ("a registry's host name", "files." + REGISTRIES[1] + "org"),
    ("a registry's host name", '"resolved": "https://registry.' + REGISTRIES[2] + 'org/x.tgz"'),
    ("an absolute path of a machine", "see /" + MACHINE_FOLDERS[0] + "/main"),
    ("an absolute path of a machine", '"cwd": "/' + MACHINE_FOLDERS[1] + '/x"'),
    ("an absolute path of a machine", "/" + MACHINE_FOLDERS[2] + "/bin"),
    ("an e-mail address", "ask somebody" + "@" + "company.com"),
    ("an e-mail address", "<no.reply+x" + "@" + "mail.company.co.uk>"),
    ("a path out of the repository", "see `../" + "shared/notes.md`"),
    ("an Anthropic key", "sk-" + "ant-" + "oat01-" + "x" * 20),
    ("an Anthropic key", "Bearer sk-" + "ant-" + "api03-" + "Ab_-" * 5),
    ("an AWS key id", "AK" + "IA" + "ABCDEFGH" * 2),
    ("an AWS key id", "Credential=AS" + "IA" + "ABCDEFGH" * 2 + "/2026"),
    ("a private key", "-----BEGIN " + "EC PRIVATE KEY-----"),
]
HARMLESS = [
    "user:word@host.example",
    "someone@example.com",
    "@anthropic-ai/claude-code@2.1.330",
    "src/work/x, ./root/x, ~/" + MACHINE_FOLDERS[2] + "/",
    "sk-ant-",
    "arn:aws:iam::111122223333:role/x",
]


def found(text: str) -> set[str]:
    return {what for what, pattern in FORBIDDEN.items() if re.search(pattern, text)}


def files() -> list[Path]:
    """Every file git knows or would take: tracked, and new ones that are not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    paths = [ROOT / name.decode() for name in listed.stdout.split(b"\0") if name]
    return [path for path in paths if path.is_file()]


def sources() -> list[Path]:
    return [path for path in files() if path.suffix == ".py"]


@pytest.mark.parametrize(
    ("what", "sample"), SAMPLES, ids=[f"{what} {n}" for n, (what, _) in enumerate(SAMPLES)]
)
def test_what_is_forbidden_would_be_found(what: str, sample: str) -> None:
    assert found(sample) == {what}


@pytest.mark.parametrize("sample", HARMLESS)
def test_what_only_looks_like_it_is_let_through(sample: str) -> None:
    assert found(sample) == set()


def test_the_list_of_files_reaches_all_parts_of_the_repository() -> None:
    names = {str(path.relative_to(ROOT)) for path in files()}
    assert {"README.md", "LICENSE", "Makefile", ".ci/run", "requirements/runtime.txt"} <= names
    assert {"src/openclaude/wiring.py", "tests/docs/test_repository.py"} <= names


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_holds(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what])
    held = []
    for path in files():
        match = pattern.search(path.read_text(encoding="utf-8", errors="replace"))
        if match is not None:
            held.append(f"{path.relative_to(ROOT)}: {match.start()}")
    assert held == []


# sources


def allowed_lines(path: Path) -> int:
    """Tests are read one at a time and may have 600 lines; every other source file has 400."""
    return 600 if "tests" in path.relative_to(ROOT).parts else 400


def test_no_source_file_is_longer_than_a_reader_can_hold() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in sources()}
    assert {str(path): lines for path, lines in lengths.items() if lines > allowed_lines(path)} == {}


def imports(source: str) -> set[str]:
    """Every module a source imports, also as `from package import module`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


BANNED = "unittest.mock"


@pytest.mark.parametrize(
    "source",
    [
        "import unittest.mock",
        "from unittest import mock",
        "from unittest.mock import patch",
        "def f():\n import unittest.mock as m",
    ],
    ids=["import", "from package", "from module", "inside a function"],
)
def test_an_import_of_mock_would_be_found(source: str) -> None:
    assert BANNED in imports(source)


def test_nothing_imports_mock() -> None:
    assert [str(path) for path in sources() if BANNED in imports(path.read_text(encoding="utf-8"))] == []


def test_every_source_file_of_the_product_says_what_it_is_for() -> None:
    product = [path for path in sources() if path.is_relative_to(ROOT / "src")]
    silent = [
        str(path) for path in product if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert product
    assert silent == []
