"""The explanation of a routed request for people to read."""

import json

from openclaude.domain.routes import MATCH
from openclaude.explain.meanings import meaning
from openclaude.explain.requests import Json


def readable(shown: Json) -> str:
    """What `routing.explained` returned, as lines."""
    parts = ["\n".join(_facts(shown))] if "route" in shown else []
    if "reject" in shown:
        refused = shown["reject"]
        parts.append(f"rejected with {refused['status']} {refused['type']}:\n{refused['message']}")
    if shown["notes"]:
        parts.append("notes\n" + "\n".join(_notes(shown["notes"])))
    if shown.get("local_answer"):
        parts.append("answered here, without asking a model:\n" + _pretty(shown["local_answer"]))
    elif shown.get("upstream"):
        parts.append(_request(shown["upstream"]))
    return "\n\n".join(parts)


def _facts(shown: Json) -> list[str]:
    facts = {
        "model": shown["model"],
        "routed as": shown["normalised"] if shown["normalised"] != shown["model"] else None,
        "route": shown["route"],
        "reason": shown["reason"],
        "decision": shown["decision"] if shown["decision"] != MATCH else None,
        "kind": shown["kind"],
        "needs": shown["needs"],
        "fallback": ", then ".join(shown["fallback"]),
        "credential": shown.get("credential"),
        "operation": shown.get("operation"),
        "model id": shown.get("modelId"),
    }
    return [f"{name:<10}  {value}" for name, value in facts.items() if value]


def _notes(notes: list[str]) -> list[str]:
    width = max(map(len, notes))
    return [f"  {note:<{width}}  {meaning(note)}".rstrip() for note in notes]


def _request(upstream: Json) -> str:
    lines = [f"{upstream['method']} {upstream['url']}"]
    lines += [f"{name}: {value}" for name, value in upstream["headers"].items()]
    body = upstream["body"]
    return "\n".join(lines) + "\n\n" + (body if isinstance(body, str) else _pretty(body))


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
