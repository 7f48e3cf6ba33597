"""The configuration as values, and what is said when there is none."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from openclaude.domain import aws
from openclaude.domain.kinds import Kind
from openclaude.domain.routes import Condition, RouteTable

DEFAULT_PORT: Final = 4000
DEFAULT_LINGER: Final = 1800


@dataclass(frozen=True, slots=True)
class RouteConfig:
    """One `[[routes]]` entry.

    Attributes:
        match: a model name or glob, normalised; `domain.models.matches` reads it.
        to: the provider.
        model: the provider's model id; set exactly when `to` is "bedrock".
        region: the AWS region; set exactly when `to` is "bedrock".
        profile: the AWS profile, or None for AWS's default chain.
        endpoint_url: `https://host[:port]` in lower case, or None for the region's public endpoint.
        fips: whether the region's FIPS endpoint is used.
        dualstack: whether the region's dual-stack endpoint is used.
        line: where the entry begins in its file; 0 for a built-in route.
        via: the dialect: "converse", "invoke" or "messages"; None leaves it to the model's capability profile.
        endpoint: which Messages endpoint `via = "messages"` speaks to: "mantle", "runtime", or "platform" for Claude
            Platform on AWS.
        workspace: the workspace of Claude Platform on AWS; set exactly when `endpoint` is "platform".
        base_model: the id of the model, where `model` hides it.
        geo: where inference is declared to stay, or None.
        service_tier: the tier every request asks for, or None.
        reasoning: the reasoning effort asked of a model that is not Claude, or None.
        capabilities: members of the capability profile, in place of the model's own.
        when_unsupported: the model name a request gets that this route's model cannot serve, normalised; None leaves it.
        reroute_safeguards: whether auto mode's check on the server counts as something the model cannot do.
        agent: whether only sub-agents' requests are taken, or only others; None takes both.
        kinds: the kinds of requests that are taken; None takes all.
        fallback: model names that are tried, in this order, when this route cannot serve a request now.
        spill_at: how full a window of the plan may be, 0 to 1, before the fallback is asked first; None for the wall.
    """

    match: str
    to: Literal["anthropic", "bedrock"]
    model: str | None
    region: str | None
    profile: str | None
    endpoint_url: str | None
    line: int
    via: Literal["converse", "invoke", "messages"] | None = None
    endpoint: Literal["mantle", "runtime", "platform"] = "mantle"
    workspace: str | None = None
    base_model: str | None = None
    geo: str | None = None
    service_tier: str | None = None
    reasoning: str | None = None
    fips: bool = False
    dualstack: bool = False
    capabilities: Mapping[str, Any] = field(default_factory=dict)
    when_unsupported: str | None = None
    reroute_safeguards: bool = False
    agent: bool | None = None
    kinds: frozenset[Kind] | None = None
    fallback: tuple[str, ...] = ()
    spill_at: float | None = None

    @property
    def condition(self) -> Condition:
        """What the route asks of a request beside its model."""
        return Condition(self.agent, self.kinds)

    @property
    def is_platform(self) -> bool:
        """Whether requests go to Claude Platform on AWS, which is not Bedrock."""
        return self.via == "messages" and self.endpoint == "platform"

    @property
    def key_variable(self) -> str:
        """The environment variable in which a session may have an API key for this route."""
        return aws.PLATFORM_KEY if self.is_platform else aws.BEARER


@dataclass(frozen=True, slots=True)
class Config:
    """A checked configuration.

    Attributes:
        port: TCP port on 127.0.0.1, 1 to 65535.
        slots: the model name of each configured tier, normalised; a tier that is absent keeps the client's default.
        routes: in the order of the file; the first that matches wins.
        client_config: whether the client keeps its own folder ("shared") or gets one of ours ("isolated").
        source: the file, or None when there is no file and the built-in default applies.
        text_sha256: lower-case hex digest of the file's text, to notice a change.
        linger: seconds without a session after which a gateway that a launch started ends; 0 for never.
        normalised: (as written, as used) for every model name that is used in another form than it is written.
    """

    port: int
    slots: Mapping[str, str]
    routes: tuple[RouteConfig, ...]
    client_config: Literal["shared", "isolated"]
    source: Path | None
    text_sha256: str
    normalised: tuple[tuple[str, str], ...]
    linger: int = DEFAULT_LINGER

    def table(self) -> RouteTable[RouteConfig]:
        """The route table of these entries."""
        return RouteTable([(route.match, route) for route in self.routes], conditions_of(self.routes))


def conditions_of(routes: Sequence[RouteConfig]) -> dict[int, Condition]:
    """What the entries ask of a request beside its model, by their places."""
    return {place: route.condition for place, route in enumerate(routes)}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the configuration.

    Attributes:
        file: the file's name as it was given, or the name of what was read instead.
        line: 1 for the first line; 0 when the whole file is meant.
        key: dotted path as in `routes[0].region`; empty when no key is meant.
        message: what is wrong; never holds a value that may be secret.
        hint: what to do.
    """

    file: str
    line: int
    key: str
    message: str
    hint: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        key = f"{self.key}: " if self.key else ""
        return f"{place}: {key}{self.message}\n  hint: {self.hint}"


class ConfigError(Exception):
    """The configuration cannot be used. `problems` is never empty; its text shows all of them, in file order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        super().__init__("\n".join(str(problem) for problem in self.problems))
