"""A process of its own that asks botocore for AWS credentials: `python -m openclaude.edge.awsprobe`.

The environment it runs in is the one of the session it asks for. botocore reads the process's environment in many
places, so asking in the gateway's own process would mix up sessions; here there is nothing to mix up, nothing blocks
the event loop, and botocore's 30 MB are gone again afterwards.

Input: one JSON object on stdin, `profile` (or null) and `region`. Output: one JSON object on stdout, either
`access_key`, `secret_key`, `token`, `expires` (seconds since the epoch, or null) and `method`, or `error` and `detail`.
"""

import getpass
import json
import sys
from datetime import datetime
from typing import Any


class MfaRequiredError(OSError):
    """A role wants a code that only a person could type."""


def main() -> None:
    """Answer one question."""
    getpass.getpass = _nobody  # botocore takes it as its prompter when it is imported
    question = json.loads(sys.stdin.read())
    json.dump(look_up(question.get("profile"), str(question["region"])), sys.stdout)


def look_up(profile: str | None, region: str) -> dict[str, Any]:
    """Walk botocore's chain: profile, environment, SSO, assumed role, process, web identity, container, instance."""
    import botocore.exceptions  # noqa: PLC0415  a third of a second: only this process pays it
    import botocore.session  # noqa: PLC0415

    try:
        session = botocore.session.Session(profile=profile)
        if session.get_config_variable("region") is None:
            session.set_config_variable("region", region)
        credentials = session.get_credentials()
        if credentials is None:
            return {"error": "NoCredentials", "detail": ""}
        frozen = credentials.get_frozen_credentials()
    except MfaRequiredError:
        return {"error": "MfaRequired", "detail": ""}
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, OSError, ValueError) as error:
        return {"error": type(error).__name__, "detail": _detail(error)}
    return {
        "access_key": frozen.access_key,
        "secret_key": frozen.secret_key,
        "token": frozen.token or None,
        "expires": _expiry(credentials),
        "method": str(credentials.method),
    }


def _nobody(prompt: str = "", stream: Any = None) -> str:
    del prompt, stream
    raise MfaRequiredError


def _detail(error: Exception) -> str:
    """An exception's text, but not what a credential_process or a metadata service said, which may be anything."""
    if type(error).__name__ == "CredentialRetrievalError":
        return f"{getattr(error, 'kwargs', {}).get('provider')} failed; what it said is not shown here"
    return str(error)[:300]


def _expiry(credentials: Any) -> float | None:
    """When refreshable credentials end. botocore keeps that time to itself, so its private name is read with care."""
    moment = getattr(credentials, "_expiry_time", None)
    return moment.timestamp() if isinstance(moment, datetime) else None


if __name__ == "__main__":
    main()
