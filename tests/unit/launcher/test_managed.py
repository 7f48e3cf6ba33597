import json
from pathlib import Path
from typing import Any

import pytest

from openclaude.launcher.managed import ManagedError, refuse


def managed(folder: Path, told: Any, name: str = "managed-settings.json") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told))
    return path


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ({"env": {"ANTHROPIC_BASE_URL": "https://elsewhere.example"}}, "env.ANTHROPIC_BASE_URL"),
        ({"env": {"ANTHROPIC_API_KEY": "k"}}, "env.ANTHROPIC_API_KEY"),
        ({"env": {"CLAUDE_CODE_USE_BEDROCK": "1"}}, "env.CLAUDE_CODE_USE_BEDROCK"),
        ({"env": {"NODE_TLS_REJECT_UNAUTHORIZED": "0"}}, "env.NODE_TLS_REJECT_UNAUTHORIZED"),
        ({"env": {"NODE_EXTRA_CA_CERTS": "/c.pem"}}, "env.NODE_EXTRA_CA_CERTS"),
        ({"env": {"CLAUDE_CODE_CLIENT_CERT": "/c.crt"}}, "env.CLAUDE_CODE_CLIENT_CERT"),
        ({"apiKeyHelper": "/bin/helper"}, "apiKeyHelper"),
        ({"env": {"ANTHROPIC_BASE_URL": ""}}, "env.ANTHROPIC_BASE_URL"),
        ({"env": {"NODE_EXTRA_CA_CERTS": ""}}, "env.NODE_EXTRA_CA_CERTS"),
        ({"env": {"NO_PROXY": ""}}, "env.NO_PROXY"),
        ({"env": {"no_proxy": "company.example, 10.0.0.1"}}, "env.no_proxy"),
        ({"env": {"ANTHROPIC_CUSTOM_HEADERS": "X-Team: a\nx-api-key: k"}}, "env.ANTHROPIC_CUSTOM_HEADERS"),
    ],
)
def test_a_managed_setting_that_decides_where_the_session_goes_ends_the_launch(
    tmp_path: Path, told: Any, name: str
) -> None:
    path = managed(tmp_path, told)
    with pytest.raises(ManagedError) as caught:
        refuse([path])
    assert str(caught.value).startswith(f"{path}: your organisation's settings decide {name}, and")
    assert "administrator" in caught.value.hint
    further = managed(tmp_path / "managed-settings.d", told, "20-more.json")
    with pytest.raises(ManagedError, match="20-more"):
        refuse([tmp_path / "none.json", further.parent])


@pytest.mark.parametrize(
    "told",
    [
        {},
        [],
        {"env": {"ANTHROPIC_BASE_URL": None, "ANTHROPIC_API_KEY": ""}},
        {"env": {"HTTPS_PROXY": "http://proxy.example", "NO_PROXY": "company.example, 127.0.0.1"}},
        {"env": {"NO_PROXY": "*", "ANTHROPIC_CUSTOM_HEADERS": "X-Team: a\n"}},
        {"env": 1},
        {"permissions": {"deny": ["Bash(rm:*)"]}, "env": {"TEAM": "a"}},
    ],
)
def test_other_managed_settings_are_none_of_our_business(tmp_path: Path, told: Any) -> None:
    refuse([managed(tmp_path, told), tmp_path / "none.json"])
    (tmp_path / "broken.json").write_text("{")
    refuse([tmp_path / "broken.json"])
