import secrets

from openclaude.credentials.fingerprints import GATEWAY, KNOWN
from openclaude.edge.sessions import MOST, Sessions

BASE = {"PATH": "/bin", "HOME": "/home/u"}


def test_a_session_has_its_own_aws_variables_and_no_others() -> None:
    sessions = Sessions(base=BASE, own={"AWS_PROFILE": "starter"})
    first = sessions.register({"AWS_PROFILE": "work", "ANTHROPIC_API_KEY": "no", "PATH": "/mine"})
    second = sessions.register({"AWS_REGION": "eu-west-1"})
    assert sessions.environment(first) == {**BASE, "AWS_PROFILE": "work", "PATH": "/mine"}
    assert sessions.environment(second) == {**BASE, "AWS_REGION": "eu-west-1"}
    assert sessions.environment("") == {**BASE, "AWS_PROFILE": "starter"}


def test_a_session_is_known_as_long_as_somebody_holds_it() -> None:
    sessions = Sessions(base=BASE, own={})
    session = sessions.register({"AWS_PROFILE": "work"})
    assert sessions.register({"AWS_PROFILE": "work"}) == session
    sessions.forget(session)
    assert sessions.known(session)
    sessions.forget(session)
    sessions.forget(session)
    assert not sessions.known(session)
    assert sessions.known("")
    assert len(sessions) == 0


def test_equal_environments_have_equal_fingerprints_and_different_ones_do_not() -> None:
    sessions = Sessions(base=BASE, own={})
    one = sessions.register({"AWS_PROFILE": "work", "AWS_REGION": "r"})
    same = sessions.register({"AWS_REGION": "r", "AWS_PROFILE": "work"})
    other = sessions.register({"AWS_PROFILE": "home"})
    assert sessions.fingerprint(one) == sessions.fingerprint(same)
    assert sessions.fingerprint(one) != sessions.fingerprint(other)


def test_values_that_are_not_text_are_ignored() -> None:
    sessions = Sessions(base={}, own={})
    session = sessions.register({"AWS_A": 5, "AWS_B": "x\0y", "AWS_C": "z"})  # type: ignore[dict-item]
    assert sessions.environment(session) == {"AWS_C": "z"}


def test_the_number_of_sessions_is_bounded() -> None:
    sessions = Sessions(base={}, own={})
    first = sessions.register({"AWS_PROFILE": "first"})
    for number in range(MOST):
        sessions.register({"AWS_PROFILE": str(number)})
    assert len(sessions) == MOST
    assert not sessions.known(first)


def test_a_session_nobody_has_registered_gets_no_variables_of_the_gateways_own() -> None:
    sessions = Sessions(base=BASE, own={"AWS_PROFILE": "starter"})
    assert sessions.environment("") == BASE | {"AWS_PROFILE": "starter"}
    assert sessions.environment("0" * 12) == BASE


def test_a_session_nobody_has_registered_shares_no_look_up_with_one_that_has_nothing() -> None:
    sessions = Sessions(base=BASE, own={})
    nothing = sessions.register({})
    assert len({sessions.fingerprint(name) for name in ("0" * 12, "", nothing)}) == 2
    assert sessions.fingerprint("0" * 12) == sessions.fingerprint("1" * 12)
    assert sessions.fingerprint("0" * 12) not in {sessions.fingerprint(""), sessions.fingerprint(nothing)}


def test_a_token_is_known_to_the_wall_at_the_way_out() -> None:
    token = secrets.token_hex(20)
    Sessions(base={}, own={}).grant(token)
    found = KNOWN.stray(b"referer: /" + token.encode() + b"/v1", lambda secret: False)
    assert found is not None
    assert found.kind == GATEWAY
