"""AWS keys from a test."""

from collections.abc import Callable

from openclaude.credentials.sealed import AwsKeys
from openclaude.domain.errors import ApiError
from openclaude.ports import Credential

Then = Callable[[Credential | ApiError], None]


def made_up_keys() -> AwsKeys:
    return AwsKeys(access_key="AKID", secret_key="secret", token=None, source="fake")


class FakeKeys:
    """Hands over `result` at once, or keeps the callers waiting while `result` is None."""

    def __init__(self, result: Credential | ApiError | None = None) -> None:
        self.result = result if result is not None else made_up_keys()
        self.newer: Credential | ApiError | None = self.result
        self.renewals = 0
        self.waiting: list[Then] = []
        self.slow = self.renews_slowly = False
        self.hoping: list[Callable[[Credential | ApiError | None], None]] = []
        self.sessions: list[str] = []
        self.stale: object = None

    def at_hand(self, _session: str) -> Credential | None:
        return None

    def fetch(self, session: str, then: Then) -> None:
        self.sessions.append(session)
        if self.slow:
            self.waiting.append(then)
        else:
            then(self.result)

    def renew(
        self, session: str, stale: object, then: Callable[[Credential | ApiError | None], None]
    ) -> None:
        self.renewals += 1
        self.stale = stale
        if self.renews_slowly:
            self.hoping.append(then)
        else:
            then(self.newer)
