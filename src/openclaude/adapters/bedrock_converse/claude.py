"""What only Claude takes through Converse: thinking, effort and betas, in `additionalModelRequestFields`."""

import re
from typing import Any

from openclaude.adapters.bedrock_converse.pieces import Json, Notes, string
from openclaude.adapters.profiles import Profile, beta_name, without_geo

Version = tuple[int, int]

_MODEL = re.compile(r"claude-(?:[a-z]+-)?(\d{1,2})(?:-(\d{1,2})(?!\d))?")
_ASSUMED: Version = (4, 6)
"""For an id that does not tell (an application inference profile): takes what most models take."""

_ADAPTIVE: Version = (4, 6)
_ADAPTIVE_ONLY: Version = (4, 7)
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_BUDGETS = {"low": 4096, "medium": 16384}
_LARGE_BUDGET = 31999
_LEAST_BUDGET = 1024
_DISPLAY_BETA = "thinking-display-updates-"
_BINDING_BETA = "thinking-binding-controls-"


def version(model_id: str) -> Version:
    """Major and minor version of a Claude model id."""
    found = _MODEL.search(without_geo(model_id))
    return (int(found[1]), int(found[2] or 0)) if found else _ASSUMED


def betas(header: bytes, body: Any, dialect: str, profile: Profile, notes: Notes) -> list[str]:
    """The betas to send, sorted, from the `anthropic-beta` header and the body's `betas`."""
    listed = header.decode("latin-1").split(",")
    listed += [item for item in body if isinstance(item, str)] if isinstance(body, list) else []
    kept: set[str] = set()
    for name in dict.fromkeys(item.strip() for item in listed):
        if (sent := beta_name(name, dialect, profile)) is not None:
            kept.add(sent)
        elif name:
            notes.add(f"beta_dropped:{re.sub(r'[^A-Za-z0-9_.-]', '_', name[:64])}")
    return sorted(kept)


def thinking(
    value: Any, model: Version, max_tokens: int, flags: list[str], effort: str, notes: Notes
) -> Json | None:
    """The `thinking` field, or None when there is none to send."""
    if not isinstance(value, dict):
        return None
    kind = string(value.get("type"))
    if kind == "disabled":
        return {"type": "disabled"}
    extras = _extras(value, flags)
    if kind == "adaptive" and model >= _ADAPTIVE:
        return {"type": "adaptive", **extras}
    if kind == "enabled" and model >= _ADAPTIVE_ONLY:
        return {"type": "adaptive", **extras}
    if kind not in ("adaptive", "enabled"):
        # between_tools belongs to no beta that Converse knows.
        notes.add("thinking_disabled")
        return None
    wanted = value.get("budget_tokens") if kind == "enabled" else _BUDGETS.get(effort, _LARGE_BUDGET)
    return _with_budget(wanted, max_tokens, extras, notes)


def _extras(value: Json, flags: list[str]) -> Json:
    kept: Json = {}
    for key, beta in (("display", _DISPLAY_BETA), ("block_binding", _BINDING_BETA)):
        if value.get(key) is not None and any(flag.startswith(beta) for flag in flags):
            kept[key] = value[key]
    return kept


def _with_budget(wanted: Any, max_tokens: int, extras: Json, notes: Notes) -> Json | None:
    if max_tokens <= _LEAST_BUDGET:
        notes.add("thinking_disabled")
        return None
    asked = wanted if isinstance(wanted, int) and not isinstance(wanted, bool) else _LEAST_BUDGET
    budget = min(max(asked, _LEAST_BUDGET), max_tokens - 1)
    if budget != wanted:
        notes.add("thinking_budget_lowered" if budget < asked else "thinking_budget_raised")
    return {"type": "enabled", "budget_tokens": budget, **extras}


def effort_of_budget(value: Any, model: Version) -> str:
    """The effort that stands for a thinking budget on a model that only thinks adaptively; "" otherwise."""
    budget = (
        value.get("budget_tokens") if isinstance(value, dict) and value.get("type") == "enabled" else None
    )
    if model < _ADAPTIVE_ONLY or not isinstance(budget, int):
        return ""
    if budget <= _BUDGETS["low"]:
        return "low"
    return "medium" if budget <= _BUDGETS["medium"] else "high"


def is_on(field: Json | None) -> bool:
    return field is not None and field["type"] != "disabled"


def effort(value: str, model: Version, model_id: str, *, thinks: bool) -> str | None:
    """The effort to send: one the model knows, at most high when thinking is off; None where there is no such thing."""
    ceiling = _effort_ceiling(model, model_id)
    if value not in _EFFORTS or ceiling is None:
        return None
    highest = _EFFORTS.index(ceiling if thinks else "high")
    return _EFFORTS[min(_EFFORTS.index(value), highest, _EFFORTS.index(ceiling))]


def _effort_ceiling(model: Version, model_id: str) -> str | None:
    if model >= (4, 7):
        return "xhigh" if model < (5, 5) else "max"
    if model == (4, 6):
        return "max"
    return "high" if model == (4, 5) and "opus" in model_id else None


def takes_sampling(model: Version) -> bool:
    """Claude 4.7 and later refuse temperature, top_p and top_k."""
    return model < _ADAPTIVE_ONLY


def one_sampling_field(model: Version) -> bool:
    """Claude 4.5 and later refuse temperature and top_p together."""
    return model >= (4, 5)
