"""`openclaude demo`: the whole job on embedded simulators, and the proof that no credential crossed over."""

import argparse
import os
from collections.abc import Mapping
from typing import Any, TextIO

from openclaude.cli.common import FAILED, PROBLEMS, explain, say
from openclaude.cli.routes import aligned

CONVERSATIONS = (
    ("claude-opus-5-5", False),
    ("claude-opus-5-5", True),
    ("claude-sonnet-5-5", False),
    ("claude-sonnet-5-5", True),
    ("qwen-3-coder", False),
    ("qwen-3-coder", True),
)


def add_parser(subparsers: Any) -> None:
    """Add the command to what `ArgumentParser.add_subparsers` returned."""
    parser = subparsers.add_parser(
        "demo", help="run the whole job on embedded simulators: no accounts needed"
    )
    parser.add_argument(
        "--client", action="store_true", help="run the installed Claude Code through it as well"
    )


def run(args: argparse.Namespace, *, env: Mapping[str, str], stdout: TextIO, stderr: TextIO) -> int:
    """Start everything, hold six conversations, show what arrived where."""
    from openclaude.demo import client, conversation, report, scene  # noqa: PLC0415  only the demo needs them
    from openclaude.simulator.world import World  # noqa: PLC0415

    say(stderr, "starting simulated Anthropic and Bedrock servers and a gateway, all on this machine")
    try:
        with scene.temporary_home() as home, World(scene.weather, keep_raw=True) as world:
            with scene.staged(world, env, home) as staged:
                exchanges = []
                for model, stream in CONVERSATIONS:
                    say(
                        stderr,
                        f"{model}: a question and a tool call, {'streamed' if stream else 'in one answer'}",
                    )
                    exchanges.append(
                        conversation.converse(staged.way, model, staged.login, stream=stream),
                    )
                rows = report.route_rows(staged, exchanges)
            cells = report.credential_cells(staged, exchanges)
        _show(rows, cells, stdout)
        good = all(not exchange.error and exchange.tool_calls == 1 for exchange in exchanges)
        good = good and all(cell.seen == cell.expected for cell in cells)
        if args.client:
            good = client.run(env, stdout, lambda text: say(stderr, text)) and good
    except PROBLEMS as error:
        return explain(stderr, error)
    if not good:
        say(stderr, "something above is not as it should be\nhint: openclaude doctor")
        return FAILED
    print("\nThree routes answered, and every credential reached its own origin only.", file=stdout)
    return 0


def _show(rows: list[tuple[str, ...]], cells: list[Any], stdout: TextIO) -> None:
    from openclaude.demo.report import DESTINATIONS  # noqa: PLC0415

    print("What each model was asked, who answered, and with which credential:\n", file=stdout)
    header = ("model", "asked for", "answered by", "credential", "tools", "answer")
    width = _terminal_width()
    print("\n".join(line[:width] for line in aligned(header, rows).splitlines()), file=stdout)
    print("\nWhere each credential was seen, in any encoding:\n", file=stdout)
    names = list(dict.fromkeys(cell.credential for cell in cells))
    table = [(name, *(cell.text for cell in cells if cell.credential == name)) for name in names]
    print(aligned(("credential", *DESTINATIONS), table), file=stdout)


def _terminal_width() -> int:
    try:
        return max(os.get_terminal_size().columns, 80)
    except OSError:
        return 200
