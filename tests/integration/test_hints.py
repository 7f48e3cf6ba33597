"""Whatever does not work says what to do: every way a command can fail has a hint."""

from pathlib import Path

import pytest

from support.product import Home

CALLS = {
    "a flag nobody knows": ("status", "--nonsense"),
    "a sub-command nobody knows": ("config", "nonsense"),
    "a value nobody knows": ("config", "init", "--preset", "nonsense"),
    "a missing argument": ("completions",),
    "a number that is none": ("logs", "-n", "x"),
    "an account that is none": ("aws", "policy", "--account", "12"),
    "no gateway to print": ("env",),
    "no such configuration": ("config", "check", "/no/such/file"),
    "no such copy": ("config", "restore", "nonsense"),
    "nothing to copy": ("config", "backup"),
    "no such file to import": ("config", "import-litellm", "/no/such/file"),
    "an editor that is not there": ("config", "edit"),
    "no credentials": ("aws", "check"),
    "no region": ("aws", "models", "--profile", "nonsense"),
    "a redirect that is none": ("aws", "check", "--connect-to", "nonsense"),
    "an authority that is not there": ("aws", "check", "--ca-file", "/no/such/file"),
    "a redirect of the gateway that is none": ("serve", "--connect-to", "nonsense"),
    "a port that is none": ("serve", "--port", "70000"),
    "a configuration of the gateway that is not there": ("serve", "--config", "/no/such/file"),
    "a request that is none": ("explain", "/no/such/file"),
    "nobody to ask": ("uninstall",),
    "no client": ("prove", "--live"),
    "no client for a session": ("-p", "hello"),
    "settings that are none": ("--settings", "/no/such/file"),
}


@pytest.mark.parametrize("case", CALLS)
def test_what_does_not_work_ends_with_a_hint(home: Home, case: str, tmp_path: Path) -> None:
    if case == "settings that are none":
        (tmp_path / "claude").write_text("#!/bin/sh\n")
        (tmp_path / "claude").chmod(0o755)
        home.env["PATH"] = f"{tmp_path}:{home.env['PATH']}"
    if case == "nobody to ask":
        home.run("config", "init")
    done = home.run(*CALLS[case], env={"EDITOR": "/no/such/editor", "AWS_EC2_METADATA_DISABLED": "true"})
    home.run("stop")
    assert done.returncode not in (0, -1), done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "hint: " in done.stderr or "remedy: " in done.stdout, done.stderr
