"""A translated request that is sent again: without a field, with other keys, by AWS's clock, or because of a fault.

Always before the first byte of the answer has reached the client, and `retries.MOST_SENT` times in all. The first
three correct what the next request would meet as well, so each of them is remembered beyond this one. Of faults, a
provider that did not begin or an answer that made no sense, a request survives one (security sheet, section 3).
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from openclaude.domain.errors import ApiError
from openclaude.domain.http import Header
from openclaude.gateway import refusals, retries
from openclaude.gateway.exchange import HUGE, weight
from openclaude.gateway.retries import MOST_SENT, PATIENT, Fault
from openclaude.gateway.sending import Sending
from openclaude.ports import Credential, Timer
from openclaude.wire import http1

_FAULT = "fault"


class SendingAgain(Sending):
    """The part of an exchange that decides whether a failure is the end."""

    _heard_of = _probe = False
    _repeated: frozenset[str] = frozenset()
    _sent = 0
    _timer: Timer | None = None

    @abstractmethod
    def _note(self, codes: Iterable[str]) -> None:
        """Keep codes for the log line."""

    @abstractmethod
    def _disarm(self) -> None:
        """No timer runs any more."""

    def _begin(self, ready: refusals.Outgoing) -> None:
        """Send a request for the first time, unless its provider is left alone."""
        health = self._health
        if health.breakers:
            account = self._answer.request.session
            refusal = health.admit(account, self._services.clock.monotonic())
            if refusal is not None:
                self._refuse(refusal)
                return
            self._probe = health.probes(account)
        health.budget.in_flight += 1
        self._dispatch(ready)

    def _let_go(self) -> None:
        """The answer is over, and nothing is sent again."""
        ready = self._ready
        if ready is None:
            return
        self._ready = None
        budget = self._health.budget
        budget.in_flight -= 1
        if _FAULT in self._repeated:
            budget.repeating -= 1
        if self._probe and not self._heard_of:
            self._health.released(self._answer.request.session, self._services.clock.monotonic())
        size = len(ready.call.body)
        if size >= HUGE:
            things: list[object] = [ready, self._decoder]
            del ready
            self._services.discard(size, things)

    def _answers(self) -> None:
        """The provider is there: the first byte of its answer has come, or a refusal."""
        if self._heard_of:
            return
        self._heard_of = True
        if self._health.breakers:
            self._health.answered(self._answer.request.session, self._services.clock.monotonic())

    def _failed(self, error: ApiError, fault: Fault | None, stated: float = 0.0) -> None:
        """The provider failed: once more, where that is safe and there is budget for it, or that is the answer."""
        ready = self._ready
        delay = 0.0 if fault is None else fault.delay(stated, self._services.chance())
        if fault is None or ready is None or stated > PATIENT or not self._affords(fault, delay):
            self._give_up(error, fault)
            return
        self._disarm()
        self._decoder = None
        self._note((*error.notes, f"retried:{fault.name.lower()}"))
        if delay:
            self._timer = self._services.clock.call_later(delay, partial(self._dispatch, ready))
        else:
            self._dispatch(ready)

    def _affords(self, fault: Fault, delay: float) -> bool:
        """Whether there is another attempt: the client has seen nothing and will wait for it, and the route can pay."""
        answer = self._answer
        if not fault.repeatable or answer.started or self._health.resting(answer.request.session):
            return False
        if _FAULT in self._repeated or self._sent >= MOST_SENT:
            return False
        if self._services.clock.monotonic() + delay >= answer.deadline:
            return False
        paid = self._health.budget.take(fault.price)
        if paid:
            self._repeated |= {_FAULT}
        return paid

    def _give_up(self, error: ApiError, fault: Fault | None) -> None:
        """Refuse, and remember what that says of the provider; after its first byte it says nothing any more."""
        if not self._heard_of and fault is not Fault.OURS:
            if fault is not None and fault.counts:
                self._heard_of = True
                now = self._services.clock.monotonic()
                self._health.failed(self._answer.request.session, now, probe=self._probe)
            else:
                self._answers()
        self._refuse(error)

    def _first(self, reason: str) -> bool:
        """Whether a request may be repeated for this reason: it was not yet; from now on it was."""
        if reason in self._repeated or self._sent >= MOST_SENT:
            return False
        self._repeated |= {reason}
        return True

    # answers that are refusals

    def _failed_answer(self, status: int, headers: Sequence[Header], body: bytes) -> None:
        """Bedrock refused: learn from it, or see what else can be done."""
        otherwise = partial(self._refused, status, headers, body)
        if self._answer.started:
            otherwise()
        else:
            self._amend((status, headers, body), (), otherwise)

    def _refused(self, status: int, headers: Sequence[Header], body: bytes) -> None:
        """Renew the keys or correct the clock, once each, or see whether it was a fault."""
        ready = self._expect_ready()
        refused = ready.call.failure(status, headers, body)
        refusal = refusals.for_source(refused, self._route.profile, self._credential)
        if refusals.outdated(headers, body) and self._first("renewed keys"):
            renewed = partial(self._renewed, ready, refusal)
            self._route.keys.renew(self._answer.request.session, self._credential, renewed)
        elif refusals.blames_the_time(body) and http1.date(headers) and self._first("corrected clock"):
            self._dispatch(ready)
        else:
            stated = refusal.retry_after if refusals.states_a_wait(headers) else None
            self._failed(refusal, retries.refused(status, refusal), stated or 0.0)

    def _renewed(
        self, ready: refusals.Outgoing, refusal: ApiError, credential: Credential | ApiError | None
    ) -> None:
        """Send the request again with other keys; without any, the refusal stands."""
        self._whole = None
        self._sign(ready, credential or refusal)

    def _once_more(self, error: ApiError) -> None:
        """Repeat a request that was not understood, or whose answer makes no sense, while nothing was shown."""
        if self._answer.started:
            self._refuse(error)
        else:
            fault = retries.framed(error)
            self._amend(refusals.restated(error), error.notes, partial(self._failed, error, fault))

    def _amend(
        self,
        refusal: tuple[int, Sequence[Header], bytes],
        notes: Sequence[str],
        otherwise: Callable[[], None],
    ) -> None:
        """Send the request again without what the refusal says the model does not take, if it says so."""
        call = self._expect_call()
        if self._sent >= MOST_SENT:
            otherwise()
            return

        def amend() -> refusals.Outgoing | None:
            amended = call.retry_without(*refusal)
            return None if amended is None else refusals.outgoing(amended)

        def again(ready: refusals.Outgoing | None) -> None:
            if ready is None:
                otherwise()
                return
            self._decoder = None
            self._note((*notes, *ready.call.notes))
            self._dispatch(ready)

        self._apart(weight((call.body,)), amend, again)
