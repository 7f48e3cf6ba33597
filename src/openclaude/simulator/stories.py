"""Ready scripts that carry a real Claude Code client through a whole session.

Every decision is taken from the conversation itself, never from the number of requests: the client also asks for
titles, probes its quota, repeats a request after a fault and runs agents in parallel.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from openclaude.simulator.script import Answer, Ask, ToolUse, say

AGENT_TOOLS = ("Agent", "Task")
"""Names under which the client has offered its sub-agent tool."""

HANDBACK = "SubagentHandback"
"""A tool that sub-agents get in auto mode and are reminded of until they call it."""

_NOTIFICATION = re.compile(r"<task-notification>.*?<result>(.*?)</result>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ToolsStory:
    """A main model that uses Bash, then asks a `haiku` sub-agent, which uses a tool itself and reports back.

    The main model's last text contains what its tools returned and what the sub-agent's result said, the sub-agent's
    text contains `agent_marker` and what its tool returned: so a client that prints it has carried every step.
    Each of `main_commands` is a turn of its own. `read_path` is what a sub-agent reads when it has no Bash.
    """

    main_commands: tuple[str, ...] = ("echo openclaude-main-tool", "echo openclaude-second-tool")
    agent_command: str = "echo openclaude-agent-tool"
    agent_marker: str = "openclaude-agent-report"
    agent_prompt: str = "Run your tool once and report what it returned."
    read_path: str = "README.md"

    def __call__(self, ask: Ask) -> Answer:
        if is_background(ask):
            return _background(ask)
        return self._agent(ask) if is_agent(ask) else self._main(ask)

    def _main(self, ask: Ask) -> Answer:
        results = {call.name: outcome.text for call, outcome in ask.outcomes()}
        told_by_bash = [outcome.text for call, outcome in ask.outcomes() if call.name == "Bash"]
        agent_tool = next((name for name in AGENT_TOOLS if name in ask.tools), None)
        if "Bash" in ask.tools and len(told_by_bash) < len(self.main_commands):
            command = self.main_commands[len(told_by_bash)]
            return _use("Bash", {"command": command, "description": "Say a word"})
        if agent_tool and agent_tool not in results:
            return _use(agent_tool, self._agent_input(ask.tools[agent_tool]))
        told = _notified(ask) or results.get(agent_tool or "", "nothing: no sub-agent tool was offered")
        heard = ", ".join(told_by_bash)
        return say(f"{ask.model} is done. Bash returned: {heard}\nThe sub-agent said: {told}")

    def _agent_input(self, parameters: frozenset[str]) -> dict[str, Any]:
        call: dict[str, Any] = {
            "description": "Ask the small model",
            "prompt": self.agent_prompt,
            "subagent_type": "general-purpose",
            "model": "haiku",
        }
        # Client 2.1.330 starts agents in the background unless told otherwise, and the result then comes as a
        # later user message; in auto mode it does not offer the choice.
        return call | ({"run_in_background": False} if "run_in_background" in parameters else {})

    def _agent(self, ask: Ask) -> Answer:
        results = {call.name: outcome.text for call, outcome in ask.outcomes()}
        used = next((name for name in ("Bash", "Read") if name in results), None)
        if used is None and "Bash" in ask.tools:
            return _use("Bash", {"command": self.agent_command, "description": "Say a word"})
        if used is None and "Read" in ask.tools:
            return _use("Read", {"file_path": self.read_path})
        report = f"{self.agent_marker} by {ask.model}: the tool returned {results.get(used or '', 'nothing')}"
        if HANDBACK in ask.tools and HANDBACK not in results:
            return _use(HANDBACK, {"message": report})
        return say(report)


tools_story = ToolsStory()
"""The story with its ordinary words."""


def is_agent(ask: Ask) -> bool:
    """Whether a sub-agent asks: by its header, by the client's first system line, or by the provider it is routed to."""
    marked = "x-claude-code-agent-id" in ask.headers or "cc_is_subagent=true" in ask.system
    return marked or ask.provider == "bedrock"


def is_background(ask: Ask) -> bool:
    """Whether the client asks for itself: titles, quota probes, page summaries, web searches."""
    return not {"Bash", "Read", *AGENT_TOOLS} & set(ask.tools)


def _notified(ask: Ask) -> str | None:
    """What an agent in the background reported, from the notification the client adds as user text."""
    texts = "\n".join(text for turn in ask.turns if turn.role == "user" for text in turn.texts)
    found = _NOTIFICATION.search(texts)
    return found.group(1) if found else None


def _background(ask: Ask) -> Answer:
    wanted = ask.body.get("output_config") or ask.body.get("outputConfig") or {}
    if isinstance(wanted, Mapping) and ("format" in wanted or "textFormat" in wanted):
        return say(json.dumps({"title": "A simulated session"}))
    return say("ok")


def _use(name: str, value: Mapping[str, Any]) -> Answer:
    return Answer((ToolUse(name, value),))
