"""AWS credentials for each session: whose environment asks decides whose keys sign.

A launcher hands over the AWS variables of its own shell (edge/sessions.py). Look-ups run in a process of their own with
that environment (edge/awsprobe.py), when a Bedrock route is first used. One look-up serves everyone who waits for the
same environment, profile and region.
"""

import asyncio
import hashlib
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, cast

from openclaude.credentials.sealed import AwsKeys, RouteKey
from openclaude.domain.aws import BEARER, PLATFORM_KEY
from openclaude.domain.errors import ApiError
from openclaude.domain.http import Origin
from openclaude.edge.sessions import Sessions

LOOK_UP_SECONDS: Final = 60.0
AHEAD: Final = 15 * 60.0
"""Seconds before their end at which keys are fetched anew while the old ones still serve (botocore's advisory window)."""
TOO_LATE: Final = 60.0
"""Seconds before their end at which keys are no longer used."""
ANEW: Final = 30.0
"""Seconds after which keys that AWS has refused are read anew once more."""
_NOT_FOR_LOOK_UPS: Final = ("AWS_ENDPOINT_URL", "AWS_CA_BUNDLE", PLATFORM_KEY)
"""How the names begin of variables that would send an SSO token elsewhere, or let a stranger read it; and a key that
looks nothing up."""

_AGAIN: Final = "start this session again with `openclaude`, so that the gateway knows its environment"

Credential = AwsKeys | RouteKey
Then = Callable[[Credential | ApiError], None]
Newer = Callable[[Credential | ApiError | None], None]
Probe = Callable[[Mapping[str, str], Mapping[str, Any]], Awaitable[dict[str, Any]]]


@dataclass(slots=True)
class _Entry:
    """What is known for one (environment, profile, region).

    Attributes:
        digest: of the keys, to tell whether others were found.
        good_until: when they are to be renewed, or looked up again.
        renewed: when refused keys were last replaced.
        waiting: who waits for keys.
        hoping: who waits for other keys than those that were refused.
    """

    keys: AwsKeys | None = None
    digest: bytes = b""
    obtained: float = 0.0
    expires: float | None = None
    good_until: float = 0.0
    renewed: float = float("-inf")
    waiting: list[Then] = field(default_factory=list)
    hoping: list[Newer] = field(default_factory=list)
    busy: bool = False

    def remaining(self, now: float) -> float:
        return float("inf") if self.expires is None else self.expires - now

    def take(self, found: Mapping[str, Any], now: float) -> bool:
        """Keep what a look-up found; False when it is what was there before."""
        secret = json.dumps([found["access_key"], found["secret_key"], found["token"]]).encode()
        before, self.digest = self.digest, hashlib.sha256(secret).digest()
        self.obtained, self.expires = now, found["expires"]
        self.good_until = _good_until(now, self.expires)
        if self.keys is None or self.digest != before:
            self.keys = AwsKeys(
                access_key=found["access_key"],
                secret_key=found["secret_key"],
                token=found["token"],
                source=found["method"],
            )
        return self.digest != before


def _good_until(obtained: float, expires: float | None) -> float:
    """Keys with a short life are renewed in its last quarter, others in the last quarter of an hour."""
    if expires is None:
        return float("inf")
    return expires - max(TOO_LATE, min(AHEAD, (expires - obtained) / 4))


class KeyStore:
    """Credentials of all sessions.

    Args:
        sessions: which session has which environment.
        wall: seconds since the epoch.
        probe: runs a look-up; botocore's, by `Lookups`, in production.
    """

    def __init__(self, sessions: Sessions, *, wall: Callable[[], float], probe: Probe | None = None) -> None:
        self._sessions = sessions
        self._wall = wall
        self._lookups = Lookups()
        self._probe = probe or self._lookups
        self._entries: dict[tuple[str, str | None, str], _Entry] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    def for_route(
        self, *, profile: str | None, region: str, origin: Origin, variable: str = BEARER
    ) -> "RouteKeys":
        """The credentials of one route; `variable` is where a session may have an API key for its origin."""
        return RouteKeys(self, profile, region, origin, variable)

    def fetch(self, session: str, profile: str | None, region: str, then: Then) -> None:
        """Hand over keys that are good now, or the reason why there are none."""
        if self._is_stranger(session, profile):
            then(_not_known())
            return
        entry = self._entry(session, profile, region)
        now = self._wall()
        if entry.keys is None or entry.remaining(now) < TOO_LATE:
            entry.waiting.append(then)
            self._look_up(entry, session, profile, region)
            return
        if now > entry.good_until:
            self._look_up(entry, session, profile, region)
        then(entry.keys)

    def at_hand(self, session: str, known: "_Known") -> AwsKeys | None:
        """What `fetch` would hand over at once, where a route `known` of it; None where it has to be asked."""
        if known.changes != self._sessions.changes:
            known.entries.clear()
        entry = known.entries.get(session)
        return entry.keys if entry is not None and self._wall() <= entry.good_until else None

    def remember(self, session: str, profile: str | None, region: str, known: "_Known") -> None:
        """Have `at_hand` find what a session without an API key is given, until a session comes or goes."""
        known.changes = self._sessions.changes
        if self._sessions.known(session):
            known.entries[session] = self._entry(session, profile, region)

    def renew(self, session: str, profile: str | None, region: str, stale: object, then: Newer) -> None:
        """Hand over other keys than `stale`, which AWS has refused; None when there are none.

        Refused keys are read anew at most once in `ANEW` seconds, however many requests meet the refusal. A look-up that
        fails does not count: what its message asks for may be done in a second.
        """
        if self._is_stranger(session, profile):
            then(_not_known())
            return
        entry = self._entry(session, profile, region)
        if entry.keys is not None and entry.keys is not stale:
            then(entry.keys)
        elif not entry.hoping and self._wall() - entry.renewed < ANEW:
            then(None)
        else:
            entry.hoping.append(then)
            self._look_up(entry, session, profile, region)

    def held(self) -> list[dict[str, Any]]:
        """What is held at the moment: `profile`, `region`, `method`, `expires` (seconds since the epoch, or None)."""
        return [
            {"profile": profile, "region": region, "method": entry.keys.source, "expires": entry.expires}
            for (_, profile, region), entry in self._entries.items()
            if entry.keys is not None
        ]

    def api_key(self, session: str, variable: str) -> str | None:
        """The API key in a session's environment."""
        return self._sessions.environment(session).get(variable) or None

    def close(self) -> None:
        """End the look-ups under way: who waits for them is gone."""
        self._lookups.close()

    def _is_stranger(self, session: str, profile: str | None) -> bool:
        """Whether a session is to pay whose shell nobody knows. Its own variables said who; another's chain must not.

        A profile that the configuration names pays for every session, for this one too.
        """
        return profile is None and not self._sessions.known(session)

    def _entry(self, session: str, profile: str | None, region: str) -> _Entry:
        return self._entries.setdefault((self._sessions.fingerprint(session), profile, region), _Entry())

    def _look_up(self, entry: _Entry, session: str, profile: str | None, region: str) -> None:
        if entry.busy:
            return
        entry.busy = True
        env = self._sessions.environment(session)
        task = self._loop.create_task(
            self._run(entry, env, profile, region, known=self._sessions.known(session))
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(
        self, entry: _Entry, env: Mapping[str, str], profile: str | None, region: str, *, known: bool
    ) -> None:
        try:
            found = await self._probe(env, {"profile": profile, "region": region})
        except (OSError, ValueError, TypeError) as error:
            found = {"error": type(error).__name__, "detail": str(error)[:200]}
        entry.busy = False
        waiting, entry.waiting = entry.waiting, []
        hoping, entry.hoping = entry.hoping, []
        result: Credential | ApiError
        other = True
        if "error" in found:
            result = explained(found["error"], found["detail"], profile, known=known)
            if hoping:
                entry.keys = (
                    None  # they are refused, and nothing takes their place: the next request looks again
                )
        else:
            other = entry.take(found, self._wall())
            result = cast("AwsKeys", entry.keys)
            if hoping:
                entry.renewed = entry.obtained
        for then in waiting:
            then(result)
        for newer in hoping:
            newer(result if other else None)


@dataclass(slots=True)
class _Known:
    """The entries of a route's sessions, as they were after so many changes of the sessions."""

    changes: int = -1
    entries: dict[str, _Entry] = field(default_factory=dict)


class RouteKeys:
    """The credentials of one route; satisfies `ports.SigningKeys`."""

    def __init__(
        self, store: KeyStore, profile: str | None, region: str, origin: Origin, variable: str
    ) -> None:
        self._variable = variable
        self._store = store
        self._profile = profile
        self._region = region
        self._origin = origin
        self._known = _Known()

    def at_hand(self, session: str) -> AwsKeys | None:
        return self._store.at_hand(session, self._known)

    def fetch(self, session: str, then: Then) -> None:
        """A route's own profile comes first, then an API key of the session, then AWS's default chain."""
        keys = self.at_hand(session)
        if keys is not None:
            then(keys)
            return
        key = self._store.api_key(session, self._variable) if self._profile is None else None
        if key is not None:
            header: Literal["bearer", "x-api-key"] = "bearer" if self._variable == BEARER else "x-api-key"
            then(RouteKey(self._origin, key, header=header))
            return
        self._store.remember(session, self._profile, self._region, self._known)
        self._store.fetch(session, self._profile, self._region, then)

    def renew(self, session: str, stale: object, then: Newer) -> None:
        """Only keys can be replaced: a Bedrock API key that is refused is not followed by another credential."""
        if isinstance(stale, RouteKey):
            then(None)
            return
        self._store.renew(session, self._profile, self._region, stale, then)


class Lookups:
    """Asks botocore in processes of its own, each in a thread that waits for it.

    The event loop's own way to start a process copies the page tables of this one, which stands still meanwhile: 100 ms
    where large bodies are on their way.
    """

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()

    async def __call__(self, env: Mapping[str, str], question: Mapping[str, Any]) -> dict[str, Any]:
        """What `edge.awsprobe` answers. Raises OSError, ValueError, TypeError and TimeoutError."""
        return await asyncio.to_thread(self.ask, env, question)

    def ask(self, env: Mapping[str, str], question: Mapping[str, Any]) -> dict[str, Any]:
        """As a call, on this thread."""
        with subprocess.Popen(
            (sys.executable, "-P", "-m", "openclaude.edge.awsprobe"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: value for name, value in env.items() if not name.startswith(_NOT_FOR_LOOK_UPS)},
        ) as process:
            self._running.add(process)
            try:
                output, _ = process.communicate(json.dumps(question).encode(), timeout=LOOK_UP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise TimeoutError from None
            finally:
                self._running.discard(process)
        answer = json.loads(output)
        if not isinstance(answer, dict):
            raise TypeError("the look-up did not answer with an object")
        return answer

    def close(self) -> None:
        """End the look-ups under way."""
        for process in tuple(self._running):
            process.kill()


def explained(error: str, detail: str, profile: str | None, *, known: bool = True) -> ApiError:
    """Why there are no keys, and what to do. botocore's texts name files and profiles, not secrets.

    Args:
        error: the name of botocore's exception, or `NoCredentials`.
        detail: its text.
        profile: the profile that was asked for.
        known: whether the gateway knows the environment of the session that asked.
    """
    where = f"profile `{profile}`" if profile else "the default credential chain"
    flag = f" --profile {profile}" if profile else ""
    if error == "NoCredentials":
        tried = "(environment, ~/.aws, SSO, container and instance were tried)"
        what = f"no AWS credentials were found with {where} {tried}"
        hint = f"run `aws configure{flag}` or `aws sso login{flag}`, or `openclaude config init --preset all-anthropic`"
    elif error == "MfaRequired":
        what = f"the role of {where} wants a code of an MFA device, and nobody is there to type it"
        hint = "take keys from `aws sts get-session-token` or SSO, and name their profile on the route"
    elif error == "MissingDependencyException":
        what = f"the AWS login session of {where} can be read only with a part that botocore does not bring"
        hint = 'run `pip install "botocore[crt]"` in the environment of openClaude, or use `aws sso login`'
    elif "SSO" in error or "Token" in error:
        what = f"the AWS SSO login of {where} is missing or has expired ({error})"
        hint = f"run `aws sso login{flag}`; the next request uses it without a restart"
    elif error == "ProfileNotFound":
        what = f"the AWS {where} does not exist"
        hint = f"run `aws configure{flag}`, or change `profile` in config.toml"
    elif error == "TimeoutError":
        what = f"AWS credentials were not found with {where} within {LOOK_UP_SECONDS:.0f} s"
        hint = f"try `aws sts get-caller-identity{flag}`: something on its way does not answer"
    else:
        what = f"AWS credentials could not be read with {where} ({error}: {detail or 'it gave no reason'})"
        hint = f"check ~/.aws/config and ~/.aws/credentials, then `aws sts get-caller-identity{flag}`"
    if not known:
        hint = f"{_AGAIN}; else {hint}"
    return ApiError(401, "authentication_error", f"openClaude: {what}. hint: {hint}", retry=False)


def _not_known() -> ApiError:
    """For a session that was not registered, or is no longer."""
    what = "the AWS environment of this session is not known here, and nobody else's credentials are taken"
    return ApiError(401, "authentication_error", f"openClaude: {what}. hint: {_AGAIN}", retry=False)
