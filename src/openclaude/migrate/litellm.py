"""From LiteLLM's files to one `config.toml`: routes, slots, and a remark for everything that is not carried over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from openclaude import config
from openclaude.domain.models import CLIENT_DEFAULTS, covers, is_claude, is_pattern, normalise
from openclaude.migrate.deployments import Deployment, File, Remark
from openclaude.migrate.targets import Bedrock, Login, Nowhere, Second, Target, target_of
from openclaude.migrate.written import Route, text_of

_EVERY_CLAUDE = "claude-*"


@dataclass(slots=True)
class Imported:
    """What became of the files. `text` is a configuration without problems, or empty when no route is left."""

    text: str = ""
    routes: list[Route] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)


def import_files(files: Sequence[File], env: Mapping[str, str]) -> Imported:
    """One configuration from all files. A model of a second proxy that is given too is folded into its route.

    Args:
        files: as read, the order does not matter.
        env: for the region where the files name none.
    """
    done = Imported(remarks=[remark for file in files for remark in file.remarks])
    every = [made for file in files for made in file.deployments]
    targets = {id(made): target_of(made, env) for made in every}
    behind = _behind(every, targets)
    for made in every:
        if made.file in behind and not any(other.file == made.file for other in _first(every, behind)):
            _left_behind(done, made, behind)
    for made in _first(every, behind):
        _route(done, made, _Chain(every, targets), ())
    _finish(done)
    return done


@dataclass(frozen=True, slots=True)
class _Chain:
    every: Sequence[Deployment]
    targets: Mapping[int, Target]

    def behind(self, made: Deployment, second: Second) -> Deployment | None:
        """The deployment of another file that answers for the second proxy."""
        others = [other for other in self.every if other.file != made.file]
        return next((other for other in others if normalise(other.name) == second.model), None)


def _behind(every: Sequence[Deployment], targets: Mapping[int, Target]) -> dict[str, set[str]]:
    """The files of second proxies, with the names the first one asks them for."""
    found: dict[str, set[str]] = {}
    chain = _Chain(every, targets)
    for made in every:
        target = targets[id(made)]
        if isinstance(target, Second) and (other := chain.behind(made, target)) is not None:
            found.setdefault(other.file, set()).add(target.model)
    return found


def _first(every: Sequence[Deployment], behind: Mapping[str, set[str]]) -> list[Deployment]:
    """The deployments clients see: those of no second proxy; all of them where the files lead in a circle."""
    return [made for made in every if made.file not in behind] or list(every)


def _left_behind(done: Imported, made: Deployment, behind: Mapping[str, set[str]]) -> None:
    if normalise(made.name) not in behind[made.file]:
        hint = "add a route for it if Claude Code shall ask for it"
        done.remarks.append(made.remark("nothing in the first proxy leads to it", hint))


def _route(done: Imported, made: Deployment, chain: _Chain, through: tuple[Deployment, ...]) -> None:
    """Add the route of a deployment; `through` are the deployments in front of it, the first one first."""
    first = through[0] if through else made
    match chain.targets[id(made)]:
        case Nowhere(reason, hint):
            done.remarks.append(first.remark(reason, hint))
        case Second() as second:
            _fold(done, made, second, chain, (*through, made))
        case Login(model):
            _add(done, first, _login_route(done, first, model))
        case Bedrock(keys, assumed):
            if assumed:
                done.remarks.append(made.remark(assumed, "change `region` if it is another one", lost=False))
            place = " and ".join(f"{step.file}:{step.line}" for step in (*through, made))
            _add(done, first, Route(normalise(first.name), "bedrock", keys, f"from {place}"))


def _fold(
    done: Imported, made: Deployment, second: Second, chain: _Chain, through: tuple[Deployment, ...]
) -> None:
    other = chain.behind(made, second)
    if other is None:
        reason = (
            f"it leads to a second proxy at {second.address}, and no given file has a model {second.model}"
        )
        done.remarks.append(through[0].remark(reason, "give the second proxy's file as well"))
    elif other in through:
        done.remarks.append(through[0].remark("the proxies lead to each other in a circle"))
    else:
        _route(done, other, chain, through)


def _login_route(done: Imported, made: Deployment, model: str) -> Route:
    """A route to Anthropic. The name goes there unchanged, so it must be Anthropic's own."""
    name = normalise(made.name)
    place = f"from {made.file}:{made.line}"
    if name == model or is_pattern(model) or is_claude(name):
        if name != model and not is_pattern(model):
            told = f'Anthropic is asked for "{name}" itself, no longer for "{model}": the name is not changed on the way'
            done.remarks.append(made.remark(told, lost=False))
        return Route(name, "anthropic", {}, place)
    told = f'it is called "{model}" now, as Anthropic calls it: the name is not changed on the way'
    done.remarks.append(made.remark(told, f"ask for {model}", lost=False))
    return Route(model, "anthropic", {}, place)


def _add(done: Imported, made: Deployment, route: Route) -> None:
    there = next((other for other in done.routes if other.match == route.match), None)
    if there is not None:
        if (there.to, there.keys) != (route.to, route.keys):
            reason = "another deployment of the same name comes first, and openClaude asks one for each name"
            done.remarks.append(made.remark(reason))
        return
    try:
        config.parse(text_of([route], {}, {}), "route")
    except config.ConfigError as error:
        problem = error.problems[0]
        done.remarks.append(made.remark(f"{problem.key.rpartition('.')[2]} {problem.message}", problem.hint))
        return
    done.routes.append(route)


def _finish(done: Imported) -> None:
    """Order the routes, take the Claudes together, guess the slots, and write the text."""
    if not done.routes:
        return
    slots, why = _slots(done.routes)
    routes = [route for route in done.routes if not _is_claude_by_login(route)]
    claudes = [route for route in done.routes if _is_claude_by_login(route)]
    if claudes:
        names = ", ".join(dict.fromkeys(route.match for route in claudes if route.match != _EVERY_CLAUDE))
        told = f"for {names}, and what else Claude Code asks of Claude" if names else claudes[0].comment
        routes.append(replace(claudes[0], match=_EVERY_CLAUDE, comment=told))
    done.routes = _reachable(done, sorted(routes, key=_rank))
    done.text = text_of(done.routes, slots, why)
    config.parse(done.text, "config.toml")


def _is_claude_by_login(route: Route) -> bool:
    return route.to == "anthropic" and is_claude(route.match)


def _rank(route: Route) -> tuple[bool, int]:
    """Names before patterns, and of patterns the longer first, as LiteLLM has it."""
    return (True, -len(route.match)) if is_pattern(route.match) else (False, 0)


def _reachable(done: Imported, routes: list[Route]) -> list[Route]:
    kept: list[Route] = []
    for route in routes:
        wider = next((other for other in kept if covers(other.match, route.match)), None)
        if wider is None:
            kept.append(route)
        else:
            reason = f'the route "{wider.match}" takes its name already'
            done.remarks.append(
                Remark(route.comment.removeprefix("from "), 0, f'model "{route.match}"', reason, lost=True)
            )
    return kept


def _slots(routes: Sequence[Route]) -> tuple[dict[str, str], dict[str, str]]:
    """The tiers' models, told by their names, and in words how each was told. The files say nothing of tiers."""
    exact = [route for route in routes if not is_pattern(route.match)]
    slots = {}
    for tier in CLIENT_DEFAULTS:
        name = next((route.match for route in exact if tier in route.match.lower()), None)
        if name is not None and name != CLIENT_DEFAULTS[tier]:
            slots[tier] = name
    why = dict.fromkeys(slots, "by its name")
    others = [route.match for route in exact if route.to == "bedrock" and "claude" not in route.match.lower()]
    if "haiku" not in slots and others and not any("haiku" in route.match for route in exact):
        slots["haiku"] = others[0]
        why["haiku"] = "a guess: the first model that is no Claude"
    return slots, why
