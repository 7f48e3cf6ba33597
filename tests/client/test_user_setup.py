"""What the user has set up stays in force: a folder of their own, `--settings` of their own, window suffixes."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

import pytest

from openclaude.simulator.recorded import Recorded
from openclaude.simulator.stories import ToolsStory
from openclaude.simulator.world import World
from support.hostile import Recorder
from support.product import Home, gateway_for, make_home
from support.session import ECHO, changed, configure, digests, furnish, trust, with_client

pytestmark = [pytest.mark.client, pytest.mark.xdist_group("client-setup")]

WORD = "OPENCLAUDE_TEST_WORD"
TASK = ("-p", "Run your tools, ask a small sub-agent, and report.")
STORY = ["anthropic"] * 3 + ["bedrock"] * 2 + ["anthropic"]


@dataclass(frozen=True)
class Stage:
    """A furnished home, the providers, and a gateway whose haiku slot is written with a window suffix."""

    home: Home
    world: World

    def run(self, project: Path, *arguments: str) -> tuple[str, str, tuple[Recorded, ...]]:
        """A session through openClaude: its output, its talk, and what arrived at the providers."""
        already = len(self.world.requests())
        env = with_client(self.home, self.world.aws_env())
        done = self.home.run(*arguments, env=env, cwd=project)
        assert done.returncode == 0, done.stderr
        return done.stdout, done.stderr, self.world.requests()[already:]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    home = make_home(tmp_path_factory.mktemp("setup") / "home", "sk-ant-" + "oat01-" + token_hex(24))
    furnish(home)
    path = configure(home)
    path.write_text(path.read_text().replace('haiku = "qwen-3-coder"', 'haiku = "qwen-3-coder[1m]"'))
    assert "[1m]" in path.read_text()
    story = ToolsStory(main_commands=("echo openclaude-main-tool", f"printenv {WORD}"))
    with World(story, keep_raw=True) as world, gateway_for(home, world):
        yield Stage(home, world)


def test_an_isolated_session_has_the_users_login_memory_and_agents_and_leaves_their_folder_alone(
    stage: Stage, project: Path
) -> None:
    folder = stage.home.path / ".claude"
    (folder / "projects").mkdir(exist_ok=True)  # where the client has kept earlier sessions
    trust(stage.home, project)
    before, state = digests(folder), (stage.home.path / ".claude.json").read_bytes()

    answer, _, arrived = stage.run(project, "--isolated", *TASK, "--model", "opus", *ECHO)

    assert "openclaude-agent-report by qwen.qwen3-coder-next" in answer
    assert [row.server for row in arrived] == STORY
    login = f"Bearer {stage.home.login}".encode()
    assert {row.header("authorization") for row in arrived if row.server == "anthropic"} == {login}
    request = (arrived[0].body or b"").decode()
    for mark in ("remember-the-heron", "heron-watcher", "heron-counting", "never disturbed"):
        assert mark in request
    # Through a link the session itself lies with the user's others, so that it can be resumed either way.
    assert {name.partition("/")[0] for name in changed(before, digests(folder))} == {"projects"}
    assert (stage.home.path / ".claude.json").read_bytes() == state
    own = stage.home.state_home / "claude"
    assert not (own / ".credentials.json").exists()
    assert (own / ".claude.json").exists()

    _, _, resumed = stage.run(
        project, "--continue", "-p", "Once more, with the usual folder.", "--model", "opus"
    )

    assert [row.server for row in resumed] == ["anthropic"]
    assert TASK[1] in json.dumps(resumed[0].json()["messages"])


@pytest.mark.parametrize("form", ["a file", "JSON"])
def test_settings_of_the_users_own_are_merged_with_openclaudes(
    stage: Stage, project: Path, tmp_path: Path, form: str
) -> None:
    word = f"heron-{token_hex(8)}"
    with Recorder() as elsewhere:
        own = {
            "permissions": {"allow": ["Bash(printenv:*)"]},
            "env": {WORD: word, "ANTHROPIC_BASE_URL": elsewhere.url},
        }
        text = json.dumps(own)
        file = tmp_path / "own.json"
        file.write_text(text)

        answer, talk, arrived = stage.run(
            project, *TASK, "--model", "opus", "--settings", str(file) if form == "a file" else text
        )

        assert f"Bash returned: openclaude-main-tool, {word}" in answer  # both permissions hold
        assert [row.server for row in arrived] == STORY
        assert "not used in this session: env.ANTHROPIC_BASE_URL" in talk
        assert elsewhere.connections == 0
    derived = json.loads(stage.home.settings_given())
    assert derived["permissions"] == own["permissions"]
    assert derived["env"][WORD] == word
    assert file.read_text() == text


def test_a_window_suffix_never_reaches_a_provider(stage: Stage, project: Path) -> None:
    answer, _, arrived = stage.run(project, *TASK, "--model", "claude-opus-5-5[1m]", *ECHO)

    assert "openclaude-agent-report by qwen.qwen3-coder-next" in answer
    assert [row.server for row in arrived] == STORY
    main = [row for row in arrived if row.server == "anthropic"]
    small = [row for row in arrived if row.server == "bedrock"]
    assert {row.json()["model"] for row in main} == {"claude-opus-5-5"}
    assert {row.path for row in small} == {b"/model/qwen.qwen3-coder-next/converse-stream"}
    # The text of one of the client's own skills mentions the suffix: only a name with it would be wrong.
    for row in arrived:
        head = row.request_line + repr(row.headers).encode()
        assert not re.search(rb"\[1m\]|%5b1m%5d", head, re.IGNORECASE)
        assert not re.search(rb"(opus-5-5|coder(-next)?) *\[1m\]", row.body or b"", re.IGNORECASE)
    # With the suffix the client would take the model for one with a window of a million tokens.
    derived = json.loads(stage.home.settings_given())
    assert derived["env"]["ANTHROPIC_DEFAULT_HAIKU_MODEL"] == "qwen-3-coder"
