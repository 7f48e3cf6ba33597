"""Which route answers a request, under which name, and why, once the whole body is at hand.

Three things can decide: the route table (name, agent, kind), what the model lacks, and that only a Claude may judge
whether an action is safe. The gateway and `openclaude explain` decide by the same code, over routes of their own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from openclaude.domain.errors import ApiError, invalid_request
from openclaude.domain.kinds import CLASSIFIER_MODEL, Kind, Shape, kind_of
from openclaude.domain.messages import holds_own_reasoning
from openclaude.domain.models import CLIENT_DEFAULTS, is_pattern
from openclaude.domain.routes import Decision, RouteTable
from openclaude.gateway.needs import Ability, lacking

RouteT = TypeVar("RouteT")
UNSUPPORTED: Final = "unsupported"
CLASSIFIER: Final = "classifier: only a Claude may judge"
_JUDGES: Final = (CLASSIFIER_MODEL, *(CLIENT_DEFAULTS[slot] for slot in ("sonnet", "haiku", "opus", "fable")))
_EMPTY: Final = Shape()


@dataclass(frozen=True, slots=True)
class Watched:
    """What a route says of requests that its model cannot serve.

    Attributes:
        ability: what its model can do; None for the Anthropic API, which can do everything.
        elsewhere: the model name such a request gets; empty leaves it where it is.
        safeguards: whether auto mode's check on the server counts as something that is needed.
    """

    ability: Ability | None = None
    elsewhere: str = ""
    safeguards: bool = False

    @property
    def is_claude(self) -> bool:
        return self.ability is None or self.ability.is_claude


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a request beside its body.

    Attributes:
        agent: whether a sub-agent sent it.
        counts: whether it asks for a count of tokens: it is of no kind then.
        login: whether a login came with it, without which nothing can go to the Anthropic API.
    """

    agent: bool = False
    counts: bool = False
    login: bool = True


@dataclass(frozen=True, slots=True)
class Outcome(Generic[RouteT]):
    """A decision, the kind of the request, and what its first route lacks for it."""

    decision: Decision[RouteT]
    kind: Kind
    need: str = ""


class Decider(Generic[RouteT]):
    """Decides over a route table.

    Args:
        table: the routes.
        watched: what each says of requests it cannot serve.
    """

    def __init__(self, table: RouteTable[RouteT], watched: Callable[[RouteT], Watched]) -> None:
        self._table = table
        self._watched = watched
        self._warm = False

    def is_ready(self, first: Decision[RouteT] | None) -> bool:
        """Whether a decision takes no longer than a loop may stand still; `first` is what the name alone decides."""
        ability = self._watched(first.route).ability if first is not None else None
        return self._warm and (ability is None or ability.is_read)

    def decide(self, asked: str, raw: bytes, facts: Facts) -> Outcome[RouteT] | None:
        """The route of a whole body that asks for a model; None when no route takes it.

        Raises:
            ApiError: 400 for a safety check that no Claude is there for.
        """
        from openclaude.wire.shape import shape_of  # noqa: PLC0415  with it comes msgspec, which most gateways never need

        self._warm = True
        shape = shape_of(raw) or _EMPTY
        kind = Kind.OTHER if facts.counts else kind_of(shape, agent=facts.agent)
        decision = self._table.decide(asked, agent=facts.agent, kind=kind)
        if decision is None:
            return None
        if kind is Kind.CLASSIFIER:
            waited = self._table.waits_for_kind(asked, agent=facts.agent)
            return Outcome(self._judged(decision, facts, raw, waited=waited), kind)
        moved, need = decision, ""
        passed = {id(decision.route)}
        while (lack := self._lacks(moved.route, shape, raw)) and (
            found := self._elsewhere(moved, f"{UNSUPPORTED}: {need or lack}", kind, facts, raw)
        ):
            need = need or lack
            if id(found.route) in passed:
                break
            passed.add(id(found.route))
            moved = found
        return Outcome(moved, kind, need or lack)

    def _lacks(self, route: RouteT, shape: Shape, raw: bytes) -> str:
        watched = self._watched(route)
        if watched.ability is None:
            return ""
        return lacking(shape, raw, watched.ability, safeguards=watched.safeguards)

    def _elsewhere(
        self, decision: Decision[RouteT], reason: str, kind: Kind, facts: Facts, raw: bytes
    ) -> Decision[RouteT] | None:
        name = self._watched(decision.route).elsewhere
        found = self._table.decide(name, agent=facts.agent, kind=kind) if name else None
        if found is None or not self._may_go(found.route, facts, raw):
            return None
        return Decision(found.route, found.name, renamed=True, reason=reason, moved=True)

    def _may_go(self, route: RouteT, facts: Facts, raw: bytes) -> bool:
        return self._watched(route).ability is not None or may_go_to_anthropic(raw, login=facts.login)

    def _judged(
        self, decision: Decision[RouteT], facts: Facts, raw: bytes, *, waited: bool
    ) -> Decision[RouteT]:
        """Where a safety check goes: to the Claude that was asked, the one the route names, or any that is routed.

        A route of another model that says nothing of moves, and whose requests nobody waits for, has it refused.
        """
        watched = self._watched(decision.route)
        if watched.is_claude:
            return decision
        if not watched.elsewhere and not waited:
            raise no_judge()
        names = [watched.elsewhere] if watched.elsewhere else []
        names += [*_JUDGES, *(pattern for pattern in self._table.patterns if not is_pattern(pattern))]
        for name in names:
            found = self._table.decide(name, agent=facts.agent, kind=Kind.CLASSIFIER)
            if found and self._watched(found.route).is_claude and self._may_go(found.route, facts, raw):
                return Decision(found.route, found.name, renamed=True, reason=CLASSIFIER, moved=True)
        raise no_judge()


def may_go_to_anthropic(raw: bytes, *, login: bool) -> bool:
    """Whether the Anthropic API can be asked with a body that was meant for another model.

    Not without a login, and not with reasoning that another model has done: it checks the signatures.
    """
    return login and not holds_own_reasoning(raw)


def unsuited(watched: Watched, raw: bytes, *, agent: bool, login: bool) -> str:
    """Why a model that was not asked for cannot serve a whole body; empty when it can."""
    if watched.ability is None:
        return "" if may_go_to_anthropic(raw, login=login) else "another model's reasoning, or no login"
    from openclaude.wire.shape import shape_of  # noqa: PLC0415  see `Decider.decide`

    shape = shape_of(raw) or _EMPTY
    if not watched.is_claude and kind_of(shape, agent=agent) is Kind.CLASSIFIER:
        return CLASSIFIER
    return lacking(shape, raw, watched.ability, safeguards=watched.safeguards)


def no_judge() -> ApiError:
    """The refusal of a safety check that no Claude is there for."""
    return invalid_request(
        "openClaude does not let this model decide whether an action is safe: the check is made for Claude. "
        "hint: start the client with `--permission-mode default` or `acceptEdits`"
    )
