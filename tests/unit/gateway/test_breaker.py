"""A breaker against a plain account of what it has been told."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from openclaude.gateway.breaker import (
    CONNECTIONS,
    IN_A_ROW,
    LEAST,
    SOON,
    TRANSLATED,
    WINDOW,
    Breaker,
    Pace,
    State,
)


class BreakerMachine(RuleBasedStateMachine):
    """The model: requests under way, each a probe or not, and what was heard since the breaker closed."""

    pace: Pace = TRANSLATED

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker(self.pace)
        self.now = 1000.0
        self.under_way: list[bool] = []
        self.heard: list[tuple[float, bool]] = []
        self.in_a_row = 0
        self.opened_at = 0.0
        self.waits: list[float] = []

    def should_be_open(self) -> bool:
        recent = [failed for at, failed in self.heard if at > self.now - WINDOW]
        many = self.pace.counts and len(recent) >= LEAST and 2 * sum(recent) > len(recent)
        return self.in_a_row >= IN_A_ROW or many

    @rule(seconds=st.sampled_from([0.0, 0.1, 1.0, 4.0, 10.0, 29.0, 200.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def a_request_comes(self) -> None:
        before = self.breaker.state
        wait = self.breaker.admit(self.now)
        if before is State.CLOSED:
            assert wait == 0
            self.under_way.append(False)
            return
        if before is State.OPEN:
            left = self.opened_at + self.waits[-1] - self.now
            assert (wait > 0) == (left > 0)
            assert wait == max(0.0, left)
        else:
            assert wait <= SOON
        if wait == 0:
            assert self.breaker.state is State.HALF_OPEN
            self.under_way.append(True)
            # No second probe at the same moment.
            assert self.breaker.admit(self.now) > 0

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def it_is_answered(self, data: st.DataObject) -> None:
        self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        closed = self.breaker.state is State.CLOSED
        self.breaker.answered(self.now)
        assert self.breaker.state is State.CLOSED
        self.in_a_row = 0
        self.heard = [*self.heard, (self.now, False)] if closed else []
        if not closed:
            self.waits = []

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def it_fails(self, data: st.DataObject) -> None:
        probe = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        before = self.breaker.state
        self.breaker.failed(self.now, probe=probe)
        if before is State.CLOSED:
            self.in_a_row += 1
            self.heard.append((self.now, True))
            assert (self.breaker.state is State.OPEN) == self.should_be_open()
            if self.breaker.state is State.OPEN:
                self._opens(self.pace.first)
        elif before is State.HALF_OPEN and probe:
            assert self.breaker.state is State.OPEN
            self._opens(min(self.waits[-1] * 2, self.pace.longest))
        else:
            assert self.breaker.state is before

    @precondition(lambda self: True in self.under_way)
    @rule()
    def a_probe_is_given_up(self) -> None:
        self.under_way.remove(True)
        before = self.breaker.state
        self.breaker.released(self.now)
        assert self.breaker.state is before
        if before is State.HALF_OPEN:
            assert self.breaker.admit(self.now) == 0
            self.under_way.append(True)

    def _opens(self, wait: float) -> None:
        assert self.breaker.wait == wait
        self.waits.append(wait)
        self.opened_at = self.now
        self.heard = []
        self.in_a_row = 0

    @invariant()
    def nobody_waits_longer_than_the_longest_pace(self) -> None:
        assert (
            self.breaker.until - self.now <= max(self.pace.longest, self.pace.probe) + 1e-6
        )  # sums of tenths
        assert len(self.breaker.recent) <= len(self.heard)


class ConnectionMachine(BreakerMachine):
    pace = CONNECTIONS


TestTranslated = BreakerMachine.TestCase
TestConnections = ConnectionMachine.TestCase
TestTranslated.settings = TestConnections.settings = settings(
    max_examples=60, stateful_step_count=60, deadline=None
)


def test_five_failures_in_a_row_open_it_and_an_answer_in_between_does_not_let_it() -> None:
    breaker = Breaker(TRANSLATED)
    for second in range(4):
        breaker.failed(second, probe=False)
    breaker.answered(4)
    for second in range(5, 9):
        breaker.failed(second, probe=False)
    assert breaker.state is State.CLOSED
    breaker.failed(9, probe=False)
    assert (breaker.state, breaker.admit(9)) == (State.OPEN, 10.0)


def test_more_than_half_of_twenty_within_half_a_minute_open_it_too() -> None:
    breaker = Breaker(TRANSLATED)
    for number in range(1, 21):
        assert breaker.state is State.CLOSED
        if number % 2:
            breaker.failed(number, probe=False)
        else:
            breaker.answered(number)
    assert breaker.state is State.CLOSED  # half is not more than half
    breaker.failed(20.5, probe=False)
    assert breaker.state is State.OPEN


def test_what_is_older_than_half_a_minute_is_forgotten() -> None:
    breaker = Breaker(TRANSLATED)
    for second in (0, 1, 2):
        breaker.failed(second, probe=False)
    breaker.answered(10)
    assert not breaker.forgotten(31)
    assert breaker.forgotten(32.5)


def test_each_probe_that_fails_doubles_the_wait_up_to_its_longest() -> None:
    breaker, now, waits = Breaker(TRANSLATED), 0.0, []
    for _ in range(5):
        breaker.failed(now, probe=False)
    for _ in range(6):
        waits.append(breaker.wait)
        now = breaker.until
        assert breaker.admit(now) == 0
        breaker.failed(now, probe=True)
    assert waits == [10, 20, 40, 80, 160, 160]
    now = breaker.until
    breaker.admit(now)
    breaker.answered(now)
    for _ in range(5):
        breaker.failed(now, probe=False)
    assert breaker.wait == 10
