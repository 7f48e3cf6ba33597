"""One timer for everything that is to be woken."""

import pytest

from fakes.clock import FakeClock
from openclaude.gateway.alarms import EACH, Alarms


class Sleeper:
    """Notes when it was woken."""

    def __init__(self, clock: FakeClock, *, woken: list[float] | None = None) -> None:
        self._clock = clock
        self.woken = [] if woken is None else woken

    def wake(self) -> None:
        self.woken.append(self._clock.seconds)


def made() -> tuple[FakeClock, Alarms]:
    clock = FakeClock()
    return clock, Alarms(clock)


def test_each_is_woken_once_at_its_time() -> None:
    clock, alarms = made()
    first, second = Sleeper(clock), Sleeper(clock)
    alarms.set(second, 9.0)
    alarms.set(first, 4.0)
    clock.advance(100)
    assert (first.woken, second.woken) == ([4.0], [9.0])
    assert (len(alarms), clock.pending) == (0, 0)


def test_a_later_time_takes_the_place_of_an_earlier_one() -> None:
    clock, alarms = made()
    sleeper = Sleeper(clock)
    alarms.set(sleeper, 4.0)
    alarms.set(sleeper, 7.0)
    clock.advance(100)
    assert sleeper.woken == [7.0]


def test_who_is_let_sleep_is_not_woken_and_the_timer_runs_out() -> None:
    clock, alarms = made()
    sleeper = Sleeper(clock)
    alarms.set(sleeper, 4.0)
    alarms.unset(sleeper)
    alarms.unset(sleeper)
    assert clock.pending == 1
    clock.advance(4)
    assert (sleeper.woken, clock.pending) == ([], 0)


def test_all_share_one_timer() -> None:
    clock, alarms = made()
    for due in range(10, 0, -1):
        alarms.set(Sleeper(clock), float(due))
    assert clock.pending == 1
    clock.advance(5)
    assert (len(alarms), clock.pending) == (5, 1)


def test_one_that_is_woken_may_set_another_alarm_and_end_that_of_others() -> None:
    clock, alarms = made()
    other = Sleeper(clock)

    class Busy(Sleeper):
        def wake(self) -> None:
            super().wake()
            alarms.unset(other)
            alarms.set(self, self.woken[-1] + 3)

    busy = Busy(clock)
    alarms.set(busy, 2.0)
    alarms.set(other, 2.0)
    clock.advance(6)
    assert (busy.woken, other.woken) == ([2.0, 5.0], [])


def test_one_that_fails_keeps_nobody_else_asleep() -> None:
    clock, alarms = made()
    later = Sleeper(clock)

    class Broken(Sleeper):
        def wake(self) -> None:
            raise ZeroDivisionError

    alarms.set(Broken(clock), 2.0)
    alarms.set(later, 2.0)
    with pytest.raises(ZeroDivisionError):
        clock.advance(2)
    clock.advance(2)
    assert later.woken == [pytest.approx(2.0, abs=0.01)]


def test_many_alarms_are_looked_at_seldom_and_late_by_little() -> None:
    clock, alarms = made()
    woken: list[float] = []
    for number in range(1000):
        alarms.set(Sleeper(clock, woken=woken), 1 + number / 1000)
    clock.advance(10)
    assert len(woken) == 1000
    assert len(set(woken)) < 20
    assert max(late - (1 + number / 1000) for number, late in enumerate(woken)) <= 1000 * EACH
