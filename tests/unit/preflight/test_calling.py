from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from openclaude.credentials.outbound import credential_lines
from openclaude.credentials.sealed import AuthorizedRequest, AwsKeys
from openclaude.domain.http import Origin
from openclaude.edge.oneshot import Answer
from openclaude.preflight.calling import Ask, BearerSigner, Caller, KeySigner

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ORIGIN = Origin("bedrock.us-west-2.amazonaws.com")
ASK = Ask(ORIGIN, "bedrock", "us-west-2", "GET", "/foundation-models")


class Aws:
    """A service with a clock of its own that refuses signatures older than five minutes."""

    def __init__(self, clock: datetime, date: str | None = None) -> None:
        self.clock = clock
        self.date = format_datetime(clock, usegmt=True) if date is None else date
        self.asked: list[AuthorizedRequest] = []
        self.dates: list[datetime] = []

    def send(self, authorized: AuthorizedRequest, body: bytes) -> Answer:
        self.asked.append(authorized)
        lines = dict(line.split(b": ", 1) for line in credential_lines(authorized).splitlines())
        stamp = datetime.strptime(lines[b"X-Amz-Date"].decode(), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        self.dates.append(stamp)
        status = 403 if abs(stamp - self.clock) > timedelta(minutes=5) else 200
        return Answer(status, ((b"Date", self.date.encode()),), b"{}")


def key_signer(canary: Callable[[str], str]) -> KeySigner:
    return KeySigner(AwsKeys(access_key="AKIA1", secret_key=canary(""), token=None, source="env"))


@pytest.mark.parametrize("minutes", [-30, 30], ids=["behind", "ahead"])
def test_a_request_refused_for_the_clock_is_sent_again_with_awss_time(
    minutes: int, canary: Callable[[str], str]
) -> None:
    aws = Aws(NOW - timedelta(minutes=minutes))
    caller = Caller(aws.send, NOW.timestamp)
    signer = key_signer(canary)
    assert caller.call(signer, ASK).status == 200
    assert aws.dates == [NOW, aws.clock]
    assert caller.skew == timedelta(minutes=-minutes)
    assert caller.call(signer, ASK).status == 200
    assert aws.dates[2:] == [aws.clock]


def test_a_refusal_with_a_right_clock_is_not_sent_again(canary: Callable[[str], str]) -> None:
    aws = Aws(NOW - timedelta(minutes=30), date=format_datetime(NOW, usegmt=True))
    assert Caller(aws.send, NOW.timestamp).call(key_signer(canary), ASK).status == 403
    assert len(aws.asked) == 1


def test_an_answer_without_a_readable_date_teaches_nothing(canary: Callable[[str], str]) -> None:
    aws = Aws(NOW, date="soon")
    caller = Caller(aws.send, NOW.timestamp)
    assert caller.call(key_signer(canary), ASK).status == 200
    assert caller.skew is None


def test_an_api_key_goes_to_the_origin_that_is_asked_and_only_to_bedrock(
    canary: Callable[[str], str],
) -> None:
    key = canary("bedrock-api-key-")
    sent: list[AuthorizedRequest] = []

    def send(authorized: AuthorizedRequest, body: bytes) -> Answer:
        sent.append(authorized)
        return Answer(200, (), b"")

    signer = BearerSigner({"AWS_BEARER_TOKEN_BEDROCK": key})
    assert Caller(send, NOW.timestamp).call(signer, ASK).status == 200
    assert [authorized.origin for authorized in sent] == [ORIGIN]
    assert credential_lines(sent[0]) == f"Authorization: Bearer {key}\r\n".encode()
    elsewhere = Ask(Origin("sts.us-west-2.amazonaws.com"), "sts", "us-west-2", "POST", "/")
    with pytest.raises(ValueError, match="of no use for sts"):
        Caller(send, NOW.timestamp).call(signer, elsewhere)
    assert len(sent) == 1
