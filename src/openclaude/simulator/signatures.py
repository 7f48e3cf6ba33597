"""Checks AWS Signature Version 4 as the service does: from the raw request line, the headers and the exact body.

Written from AWS's description of the algorithm, and on purpose not from the product's signer.
"""

import datetime as dt
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote_to_bytes

from openclaude.simulator.recorded import Recorded
from openclaude.simulator.script import Fail

SERVICE = "bedrock"
"""The name Bedrock's runtime is signed for; its host name differs."""

TOLERANCE = dt.timedelta(minutes=5)

Keys = Mapping[str, tuple[str, str | None]]
"""Access key id to secret key and, for temporary credentials, session token."""

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 +Credential=(?P<credential>[^, ]+), *SignedHeaders=(?P<names>[^, ]+), *"
    r"Signature=(?P<signature>[0-9a-f]{64})"
)

_INVALID_SIGNATURE = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)


@dataclass(frozen=True, slots=True)
class Verifier:
    """Judges requests to one region. `keys` and `expired` (access key ids) may change while it is in use.

    `service` is the name requests have to be signed for.
    """

    keys: Keys
    region: str
    expired: set[str] = field(default_factory=set)
    clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)
    service: str = SERVICE

    def check(self, row: Recorded) -> Fail | None:
        """None when the request is signed by a known key, else the refusal AWS answers with."""
        authorization = row.header("authorization")
        if authorization is None:
            return _refusal("MissingAuthenticationTokenException", "Missing Authentication Token")
        parts = _AUTHORIZATION.fullmatch(authorization.decode("latin-1"))
        if parts is None:
            return _refusal(
                "IncompleteSignatureException",
                "Authorization header requires Credential, SignedHeaders and Signature",
            )
        key_id, *scope = parts["credential"].split("/")
        stamp = (row.header("x-amz-date") or b"").decode("latin-1")
        names = parts["names"].split(";")
        return (
            self._check_key(key_id, row)
            or self._check_scope(scope, stamp)
            or self._check_time(stamp)
            or _check_names(names, row)
            or self._check_signature(row, key_id, scope, names, parts["signature"])
        )

    def _check_key(self, key_id: str, row: Recorded) -> Fail | None:
        token = (row.header("x-amz-security-token") or b"").decode("latin-1")
        if key_id not in self.keys or (self.keys[key_id][1] or "") != token:
            return _refusal(
                "UnrecognizedClientException", "The security token included in the request is invalid."
            )
        if key_id in self.expired:
            return _refusal("ExpiredTokenException", "The security token included in the request is expired")
        return None

    def _check_scope(self, scope: list[str], stamp: str) -> Fail | None:
        date, region, service, end = [*scope, "", "", "", ""][:4]
        if len(scope) != 4 or end != "aws4_request" or date != stamp[:8]:
            return _refusal(
                "InvalidSignatureException",
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 date.",
            )
        if region != self.region:
            return _refusal("InvalidSignatureException", "Credential should be scoped to a valid region.")
        if service != self.service:
            return _refusal(
                "InvalidSignatureException",
                f"Credential should be scoped to correct service: '{self.service}'.",
            )
        return None

    def _check_time(self, stamp: str) -> Fail | None:
        try:
            signed = dt.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)
        except ValueError:
            return _refusal(
                "IncompleteSignatureException", f"Date must be in ISO-8601 'basic format'. Got '{stamp}'."
            )
        now = self.clock()
        if signed < now - TOLERANCE:
            limit = f"{now - TOLERANCE:%Y%m%dT%H%M%SZ} ({now:%Y%m%dT%H%M%SZ} - 5 min.)"
            return _refusal(
                "InvalidSignatureException", f"Signature expired: {stamp} is now earlier than {limit}"
            )
        if signed > now + TOLERANCE:
            limit = f"{now + TOLERANCE:%Y%m%dT%H%M%SZ} ({now:%Y%m%dT%H%M%SZ} + 5 min.)"
            return _refusal(
                "InvalidSignatureException", f"Signature not yet current: {stamp} is still later than {limit}"
            )
        return None

    def _check_signature(
        self, row: Recorded, key_id: str, scope: list[str], names: list[str], signature: str
    ) -> Fail | None:
        claimed = row.header("x-amz-content-sha256")
        if claimed is not None and claimed.decode("latin-1") != row.body_sha256:
            return _refusal("InvalidSignatureException", _INVALID_SIGNATURE)
        digest = hashlib.sha256(canonical_request(row, names).encode()).hexdigest()
        stamp = (row.header("x-amz-date") or b"").decode("latin-1")
        message = f"AWS4-HMAC-SHA256\n{stamp}\n{'/'.join(scope)}\n{digest}"
        key = f"AWS4{self.keys[key_id][0]}".encode()
        for part in (*scope, message):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        if not hmac.compare_digest(key.hex(), signature):
            return _refusal("InvalidSignatureException", _INVALID_SIGNATURE)
        return None


def canonical_request(row: Recorded, names: list[str]) -> str:
    """The canonical request over the headers `names`. The path is encoded a second time, as all but S3 do."""
    path, _, query = row.target.decode("latin-1").partition("?")
    pairs = sorted(_pair(item) for item in query.split("&") if item)
    lines = [f"{name}:{','.join(_trimmed(value) for value in row.values(name))}\n" for name in names]
    return "\n".join(
        [
            row.method,
            quote(path, safe="/-_.~"),
            "&".join(f"{name}={value}" for name, value in pairs),
            "".join(lines),
            ";".join(names),
            row.body_sha256,
        ]
    )


def _pair(item: str) -> tuple[str, str]:
    name, _, value = item.partition("=")
    return quote(unquote_to_bytes(name), safe="-_.~"), quote(unquote_to_bytes(value), safe="-_.~")


def _trimmed(value: bytes) -> str:
    return " ".join(value.decode("latin-1").split())


def _check_names(names: list[str], row: Recorded) -> Fail | None:
    present = {name.decode("latin-1").lower() for name, _ in row.headers}
    if names != sorted(set(names)) or "host" not in names or not set(names) <= present:
        return _refusal(
            "InvalidSignatureException", "'Host' must be a 'SignedHeader' in the AWS Authorization, sorted."
        )
    unsigned = sorted(name for name in present - set(names) if name.startswith("x-amz-"))
    if unsigned:
        listed = ", ".join(unsigned)
        return _refusal(
            "AccessDeniedException",
            f"There were headers present in the request which were not signed: {listed}",
        )
    return None


def _refusal(kind: str, message: str) -> Fail:
    return Fail(403, kind, message)
