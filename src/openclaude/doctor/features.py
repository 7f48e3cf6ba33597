"""What of Claude Code is off behind any gateway, and what auto mode means for the tiers. Facts: Claude Code 2.1.330."""

from collections.abc import Iterator
from typing import Final

from openclaude.doctor.findings import Finding, ok, warning
from openclaude.doctor.patient import Patient
from openclaude.domain.models import CLIENT_DEFAULTS

_FINE_GRAINED: Final = "CLAUDE_CODE_ENABLE_FINE_GRAINED_TOOL_STREAMING"
_NO_BETAS: Final = "CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS"
_MODES: Final = "start with --permission-mode default or acceptEdits, or keep such agents off that tier"


def features(patient: Patient) -> Iterator[Finding]:
    """What the base URL turns off, and what the user turned off beyond that."""
    yield ok(
        "features",
        "off behind any gateway: remote managed settings, organisation policy. On as before: tool search, web search, "
        "thinking, context editing, prompt caching",
    )
    places = [
        ("the environment", patient.env),
        *((str(source.path), source.env) for source in patient.sources),
    ]
    if any(env.get(_FINE_GRAINED) for _, env in places):
        yield ok("features", f"fine-grained tool streaming is on, by {_FINE_GRAINED}")
    else:
        yield ok(
            "features", f"fine-grained tool streaming is off behind a gateway; {_FINE_GRAINED}=1 turns it on"
        )
    for where, env in places:
        if env.get(_NO_BETAS, "0") not in ("0", "false"):
            yield warning(
                "features",
                f"{_NO_BETAS} in {where} turns off tool search and context editing for every model; the gateway does "
                "not need it",
                f"remove {_NO_BETAS} from {where}",
            )


def auto_mode(patient: Patient) -> Iterator[Finding]:
    """Tiers whose models give no verdict on whether an action is safe."""
    if patient.config is None:
        return
    tiers = []
    for tier, default in CLIENT_DEFAULTS.items():
        route = patient.route_of(patient.config.slots.get(tier, default))
        if route is not None and route.to != "anthropic":
            tiers.append(tier)
    if not tiers:
        yield ok("auto mode", "every tier is answered by Anthropic, which checks actions")
        return
    named = " and ".join([", ".join(tiers[:-1]), tiers[-1]]) if len(tiers) > 1 else tiers[0]
    seen = f"nobody checks actions for agents on {named}: Claude Code refuses those actions or asks you"
    chosen = [source.path for source in patient.sources if _mode(source.content or {}) == "auto"]
    if chosen:
        yield warning("auto mode", f"{chosen[0]} chooses auto mode, and {seen}", _MODES)
    else:
        yield ok("auto mode", f"in auto mode {seen}")


def _mode(content: "object") -> str:
    permissions = content.get("permissions") if isinstance(content, dict) else None
    return str(permissions.get("defaultMode", "")) if isinstance(permissions, dict) else ""
