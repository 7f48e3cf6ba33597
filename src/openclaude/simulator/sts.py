"""AWS STS, as far as GetCallerIdentity goes: the query protocol with its XML answers.

Source: the API reference of AWS Security Token Service, version 2011-06-15. Everybody may ask who they are: the call
needs a valid signature and no permission.
"""

import datetime as dt
import uuid
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from openclaude.simulator.http import Server, Setup
from openclaude.simulator.recorded import Recorded
from openclaude.simulator.replies import Reply
from openclaude.simulator.script import Fail
from openclaude.simulator.signatures import Keys, Verifier

ARN: Final = "arn:aws:sts::111122223333:assumed-role/openclaude/simulated"
VERSION: Final = "2011-06-15"

_NAMES: Final = {
    "AccessDeniedException": "AccessDenied",
    "ExpiredTokenException": "ExpiredToken",
    "IncompleteSignatureException": "IncompleteSignature",
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "MissingAuthenticationTokenException": "MissingAuthenticationToken",
    "UnrecognizedClientException": "InvalidClientTokenId",
}
"""The names the query protocol has for what the REST protocol calls otherwise."""


def host(region: str) -> str:
    """The host name of a region's endpoint."""
    return f"sts.{region}.amazonaws.com"


class StsSimulator(Server):
    """STS of one region on loopback. `arn` is who every caller is."""

    def __init__(
        self,
        *,
        keys: Keys,
        region: str = "us-west-2",
        arn: str = ARN,
        clock: Callable[[], dt.datetime] | None = None,
        setup: Setup | None = None,
    ) -> None:
        super().__init__(self._respond, name="sts", setup=setup)
        self.arn = arn
        self.verifier = Verifier(keys, region, service="sts")
        if clock is not None:
            self.verifier = Verifier(keys, region, clock=clock, service="sts")

    def _respond(self, row: Recorded, body: bytes) -> Reply:
        refusal = self.verifier.check(row)
        if refusal is not None:
            return _failure(refusal)
        fields = {name: values[0] for name, values in parse_qs(body.decode("latin-1")).items()}
        if row.method != "POST" or row.target != b"/":
            return _failure(Fail(404, "NotFound", "STS is called with POST /"))
        if fields != {"Action": "GetCallerIdentity", "Version": VERSION}:
            action = fields.get("Action", "")
            return _failure(
                Fail(400, "InvalidAction", f"Could not find operation {action} for version {VERSION}")
            )
        return _xml(
            200,
            "GetCallerIdentityResponse",
            f"<GetCallerIdentityResult><Arn>{escape(self.arn)}</Arn><UserId>AROASIMULATED:simulated</UserId>"
            f"<Account>{self.arn.split(':')[4]}</Account></GetCallerIdentityResult>"
            f"<ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata>",
        )


def _failure(fail: Fail) -> Reply:
    code = _NAMES.get(fail.kind, fail.kind)
    return _xml(
        fail.status,
        "ErrorResponse",
        f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(fail.message)}</Message></Error>"
        f"<RequestId>{uuid.uuid4()}</RequestId>",
    )


def _xml(status: int, root: str, inner: str) -> Reply:
    text = f'<{root} xmlns="https://sts.amazonaws.com/doc/{VERSION}/">{inner}</{root}>'
    return Reply(status, (("content-type", "text/xml"),), (text.encode(),))
