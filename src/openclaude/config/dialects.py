"""What a Bedrock route says of its dialect and its model: whether it goes together, and what comes of it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from openclaude.config.checks import geo_of_model
from openclaude.config.lines import KeyPath
from openclaude.config.report import Report
from openclaude.config.values import RouteConfig

if TYPE_CHECKING:
    from openclaude.adapters.profiles import Profile

_CLAUDE_S_OWN: Final = ("invoke", "messages")
_TOUCHING: Final = (
    "via",
    "capabilities",
    "endpoint",
    "workspace",
    "service_tier",
    "reasoning",
    "fips",
    "dualstack",
)
"""Keys whose meaning depends on the model's profile."""


def capabilities(route: RouteConfig) -> "Profile":
    """The capability profile a Bedrock route works with: its model's, with everything the route says laid over it."""
    from openclaude.adapters import profiles  # noqa: PLC0415 - a configuration without Bedrock needs none

    return profiles.effective(
        route.model or "",
        base_model=route.base_model,
        via=route.via,
        reasoning=route.reasoning,
        service_tier=route.service_tier,
        capabilities=route.capabilities,
    )


def report_dialect(report: Report, path: KeyPath, entry: Mapping[str, Any]) -> None:
    """Report what cannot work. `entry` goes to bedrock and has a model; wrong values are not in it any more."""
    _report_geo(report, path, entry)
    if not any(key in entry for key in _TOUCHING):
        return
    from openclaude.adapters import profiles  # noqa: PLC0415 - reading the profiles is half of reading a configuration

    profile = profiles.effective(
        entry["model"],
        base_model=entry.get("base_model"),
        via=entry.get("via"),
        capabilities=entry.get("capabilities", {}),
    )
    if profile.via in _CLAUDE_S_OWN and profile.family != "claude":
        hint = (
            'leave the line out, or say which Claude it is: base_model = "us.anthropic.claude-sonnet-5-5"'
            if entry.get("via") in _CLAUDE_S_OWN
            else 'write via = "converse" too: the other dialects are Claude\'s own'
        )
        key = "via" if "via" in entry else "capabilities"
        report.add(
            (*path, key), (f'"{profile.via}" is Claude\'s own format, and this model is no Claude', hint)
        )
    if "endpoint" in entry and profile.via != "messages":
        fault = 'has a meaning with via = "messages" only', 'remove the line, or write via = "messages"'
        report.add((*path, "endpoint"), fault)
    if profile.via == "messages" and entry.get("endpoint", "mantle") != "runtime":
        _report_one_host(report, path, entry)
    _report_workspace(report, path, entry)
    if "service_tier" in entry and profile.via == "messages":
        fault = 'has no meaning with via = "messages"', "remove the line, or choose another via"
        report.add((*path, "service_tier"), fault)
    if "reasoning" in entry and profile.family == "claude":
        fault = "has no meaning for Claude: the client says how it shall think", "remove the line"
        report.add((*path, "reasoning"), fault)


def _report_workspace(report: Report, path: KeyPath, entry: Mapping[str, Any]) -> None:
    """Claude Platform on AWS wants a workspace with every request, and nobody else knows what one is."""
    if entry.get("endpoint") == "platform":
        if not report.is_written((*path, "workspace")):
            report.add((*path, "workspace"), ("is missing", 'for example: workspace = "wrkspc_01ABC"'))
        if not entry["model"].startswith("claude-"):
            fault = (
                "is an id of Bedrock, which the platform does not know",
                'write Anthropic\'s own: "claude-opus-5-5"',
            )
            report.add((*path, "model"), fault)
    elif "workspace" in entry:
        fault = 'has a meaning with endpoint = "platform" only', "remove the line"
        report.add((*path, "workspace"), fault)


def _report_one_host(report: Report, path: KeyPath, entry: Mapping[str, Any]) -> None:
    """Mantle and the platform have one host in a region: AWS names none for FIPS, and the one there is is dual-stack."""
    endpoint = entry.get("endpoint", "mantle")
    hint = 'remove the line, or write endpoint = "runtime"'
    for key, why in (
        ("fips", "AWS names no FIPS endpoint for it"),
        ("dualstack", "it is dual-stack already"),
    ):
        if entry.get(key):
            report.add((*path, key), (f'has no meaning for the endpoint "{endpoint}": {why}', hint))


def _report_geo(report: Report, path: KeyPath, entry: Mapping[str, Any]) -> None:
    of_model = geo_of_model(entry["model"])
    declared = entry.get("geo")
    if declared is not None and of_model is not None and declared != of_model:
        fault = (
            f'is "{declared}", but the model id sends requests to "{of_model}"',
            f'write geo = "{of_model}", or a model id that begins with {declared}.',
        )
        report.add((*path, "geo"), fault)
