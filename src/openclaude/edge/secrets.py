"""AWS keys from botocore's own chain: profile, environment, SSO, assumed role, process, container.

botocore is imported and asked in a worker thread, when a Bedrock route is first used: its import costs a third of a
second, and a chain may run a program or call a service. One look-up serves everyone who waits.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from openclaude.credentials.sealed import AwsKeys
from openclaude.domain.errors import ApiError

Then = Callable[[AwsKeys | ApiError], None]


@dataclass(frozen=True, slots=True)
class _Found:
    """What one look-up gave: the keys, and botocore's object that knows when they run out."""

    keys: AwsKeys
    credentials: Any


class BotocoreKeys:
    """The keys of one (profile, region).

    Args:
        profile: a profile name, or None for botocore's default chain.
        region: the region botocore's own calls (STS, SSO) use when the profile names none.
        executor: where look-ups run.
    """

    def __init__(self, *, profile: str | None, region: str, executor: Executor) -> None:
        self._profile = profile
        self._region = region
        self._executor = executor
        self._loop = asyncio.get_running_loop()
        self._session: Any = None
        self._found: _Found | None = None
        self._waiting: list[Then] = []

    def fetch(self, then: Then) -> None:
        found = self._found
        if found is not None and not _runs_out(found.credentials):
            then(found.keys)
            return
        self._look_up(then)

    def renew(self, then: Then) -> None:
        """Forget the session, so that files and caches are read again."""
        if not self._waiting:
            self._session = None
            self._found = None
        self._look_up(then)

    def _look_up(self, then: Then) -> None:
        self._waiting.append(then)
        if len(self._waiting) == 1:
            task = self._loop.run_in_executor(self._executor, self._load)
            task.add_done_callback(self._loaded)

    def _loaded(self, task: "asyncio.Future[_Found]") -> None:
        waiting, self._waiting = self._waiting, []
        if task.cancelled():
            return
        error = task.exception()
        result: AwsKeys | ApiError
        if error is None:
            self._found = task.result()
            result = self._found.keys
        else:
            result = _explained(error, self._profile)
        for then in waiting:
            then(result)

    def _load(self) -> _Found:
        """Runs in a worker thread."""
        import botocore.session  # noqa: PLC0415  late on purpose, see the module's docstring

        if self._session is None:
            self._session = botocore.session.Session(profile=self._profile)
            if self._session.get_config_variable("region") is None:
                self._session.set_config_variable("region", self._region)
        credentials = self._session.get_credentials()
        if credentials is None:
            raise _NothingFoundError
        frozen = credentials.get_frozen_credentials()
        keys = AwsKeys(
            access_key=frozen.access_key,
            secret_key=frozen.secret_key,
            token=frozen.token or None,
            source=str(credentials.method),
        )
        return _Found(keys, credentials)


class _NothingFoundError(Exception):
    """The whole chain was tried and gave nothing."""


def _runs_out(credentials: Any) -> bool:
    """Whether these keys are about to expire; keys without an end never are."""
    check = getattr(credentials, "refresh_needed", None)
    return bool(check()) if check is not None else False


def _explained(error: BaseException, profile: str | None) -> ApiError:
    """Why there are no keys, and what to do. botocore's texts name files and profiles, not secrets."""
    name = type(error).__name__
    where = f"profile `{profile}`" if profile else "the default credential chain"
    flag = f" --profile {profile}" if profile else ""
    if isinstance(error, _NothingFoundError):
        what = f"no AWS credentials were found with {where} (environment, ~/.aws, SSO, container and instance were tried)"
        hint = f"run `aws configure{flag}` or `aws sso login{flag}`, or `openclaude config init --preset all-anthropic`"
    elif "SSO" in name or "Token" in name:
        what = f"the AWS SSO login of {where} is missing or has expired ({name})"
        hint = f"run `aws sso login{flag}`; the next request uses it without a restart"
    elif name == "ProfileNotFound":
        what = f"the AWS {where} does not exist"
        hint = f"run `aws configure{flag}`, or change `profile` in config.toml"
    else:
        what = f"AWS credentials could not be read with {where} ({name}: {str(error)[:300]})"
        hint = f"check ~/.aws/config and ~/.aws/credentials, then `aws sts get-caller-identity{flag}`"
    return ApiError(401, "authentication_error", f"openClaude: {what}. hint: {hint}", retry=False)
