"""The control plane of Amazon Bedrock, as far as looking models up goes. Its host is not the runtime's.

Shapes: botocore's service model `bedrock` 2023-04-20 (a test reads every answer with botocore's parser).
"""

import datetime as dt
import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, unquote

from openclaude.simulator.bedrock import failure
from openclaude.simulator.http import Server, Setup
from openclaude.simulator.recorded import Recorded
from openclaude.simulator.replies import Reply, json_reply
from openclaude.simulator.script import Fail
from openclaude.simulator.signatures import Keys, Verifier

ACCOUNT: Final = "111122223333"
USER: Final = f"arn:aws:sts::{ACCOUNT}:assumed-role/openclaude/simulated"

_ROUTES: Final = (
    (re.compile(rb"/foundation-models"), "ListFoundationModels"),
    (re.compile(rb"/inference-profiles"), "ListInferenceProfiles"),
    (re.compile(rb"/inference-profiles/([^/]+)"), "GetInferenceProfile"),
    (re.compile(rb"/foundation-model-availability/([^/]+)"), "GetFoundationModelAvailability"),
)


@dataclass(frozen=True, slots=True)
class Offered:
    """A model of the region.

    Attributes:
        on_demand: it can be called by its own id.
        geos: the inference profiles it has, each with the regions it routes to.
        ends: the day support ends (ISO), which also makes it LEGACY.
        text: it answers with text.
        agreement: AVAILABLE, PENDING, NOT_AVAILABLE or ERROR.
        authorized, here: what GetFoundationModelAvailability says of the account and of the region.
    """

    id: str
    provider: str
    streaming: bool = True
    on_demand: bool = True
    geos: tuple[tuple[str, tuple[str, ...]], ...] = ()
    ends: str | None = None
    text: bool = True
    agreement: str = "AVAILABLE"
    authorized: bool = True
    here: bool = True


_US: Final = ("us-east-1", "us-east-2", "us-west-2")
CATALOGUE: Final = (
    Offered("qwen.qwen3-coder-next", "Qwen"),
    Offered("qwen.qwen3-coder-480b-a35b-v1:0", "Qwen", ends="2027-03-30"),
    Offered(
        "amazon.nova-2-lite-v1:0", "Amazon", on_demand=False, geos=(("us", _US), ("global", ("us-west-2",)))
    ),
    *(
        Offered(f"anthropic.claude-{name}", "Anthropic", on_demand=False, geos=(("us", _US),))
        for name in ("opus-5-5", "sonnet-5-5", "haiku-5-5", "fable-5-1", "sonnet-4-6")
    ),
    Offered("meta.llama4-scout-17b-instruct-v1:0", "Meta", geos=(("us", _US),), streaming=False),
    Offered("newcomer.first-model-v1:0", "Newcomer"),
    Offered("amazon.titan-embed-text-v2:0", "Amazon", text=False, streaming=False),
)


def host(region: str) -> str:
    """The control plane's host name in a region."""
    return f"bedrock.{region}.amazonaws.com"


class BedrockControlSimulator(Server):
    """The control plane of one region on loopback.

    `models` may be replaced and `denied` (names of operations the caller may not use) may change at any time.
    `page` is how many inference profiles one answer lists at most.
    """

    def __init__(
        self,
        models: Iterable[Offered] = CATALOGUE,
        *,
        keys: Keys,
        region: str = "us-west-2",
        api_keys: Iterable[str] = (),
        clock: Callable[[], dt.datetime] | None = None,
        page: int = 2,
        setup: Setup | None = None,
    ) -> None:
        super().__init__(self._respond, name="bedrock-control", setup=setup)
        self.models = tuple(models)
        self.denied: set[str] = set()
        self.api_keys = frozenset(api_keys)
        self.page = page
        self.verifier = Verifier(keys, region, clock=clock) if clock else Verifier(keys, region)

    def _respond(self, row: Recorded, body: bytes) -> Reply:
        del body
        request_id = str(uuid.uuid4())
        for pattern, operation in _ROUTES:
            found = pattern.fullmatch(row.path)
            if found is not None and row.method == "GET":
                wanted = unquote(found[1].decode("latin-1")) if found.groups() else ""
                outcome = (
                    self._refusal(row) or self._denial(operation) or self._answer(operation, wanted, row)
                )
                break
        else:
            outcome = Fail(404, "UnknownOperationException", "")
        if isinstance(outcome, Fail):
            return failure(outcome, request_id)
        return json_reply(outcome, headers=(("x-amzn-requestid", request_id),))

    def _refusal(self, row: Recorded) -> Fail | None:
        scheme, _, token = (row.header("authorization") or b"").decode("latin-1").partition(" ")
        if scheme.lower() == "bearer" and token in self.api_keys:
            return None
        return self.verifier.check(row)

    def _denial(self, operation: str) -> Fail | None:
        if operation not in self.denied:
            return None
        return Fail(
            403,
            "AccessDeniedException",
            f"User: {USER} is not authorized to perform: bedrock:{operation} on resource: * because no "
            f"identity-based policy allows the bedrock:{operation} action",
        )

    def _answer(self, operation: str, wanted: str, row: Recorded) -> dict[str, Any] | Fail:
        match operation:
            case "ListFoundationModels":
                return {"modelSummaries": [_summary(model, self.verifier.region) for model in self.models]}
            case "ListInferenceProfiles":
                return self._profiles(row)
            case "GetInferenceProfile":
                return self._profile(wanted.rsplit("/", 1)[-1])
            case _:
                return self._availability(wanted)

    def _profiles(self, row: Recorded) -> dict[str, Any]:
        query = parse_qs(row.target.decode("latin-1").partition("?")[2])
        start = int(query.get("nextToken", ["0"])[0])
        listed = list(self._all_profiles())
        end = start + self.page
        more = {"nextToken": str(end)} if end < len(listed) else {}
        return {"inferenceProfileSummaries": listed[start:end], **more}

    def _all_profiles(self) -> Iterator[dict[str, Any]]:
        for model in self.models:
            for geo, regions in model.geos:
                name = f"{geo}.{model.id}"
                yield {
                    "inferenceProfileName": f"{geo} {model.provider}",
                    "inferenceProfileArn": f"arn:aws:bedrock:{self.verifier.region}:{ACCOUNT}:inference-profile/{name}",
                    "inferenceProfileId": name,
                    "models": [
                        {"modelArn": f"arn:aws:bedrock:{region}::foundation-model/{model.id}"}
                        for region in regions
                    ],
                    "status": "ACTIVE",
                    "type": "SYSTEM_DEFINED",
                }

    def _profile(self, name: str) -> dict[str, Any] | Fail:
        for profile in self._all_profiles():
            if profile["inferenceProfileId"] == name:
                return profile
        return Fail(404, "ResourceNotFoundException", f"Inference profile {name} not found")

    def _availability(self, name: str) -> dict[str, Any] | Fail:
        for model in self.models:
            if model.id == name:
                return {
                    "modelId": name,
                    "agreementAvailability": {"status": model.agreement},
                    "authorizationStatus": "AUTHORIZED" if model.authorized else "NOT_AUTHORIZED",
                    "entitlementAvailability": "AVAILABLE",
                    "regionAvailability": "AVAILABLE" if model.here else "NOT_AVAILABLE",
                }
        return Fail(400, "ValidationException", "The provided model identifier is invalid.")


def _summary(model: Offered, region: str) -> dict[str, Any]:
    lifecycle: dict[str, Any] = {"status": "LEGACY" if model.ends else "ACTIVE"}
    if model.ends:
        lifecycle["endOfLifeTime"] = f"{model.ends}T00:00:00Z"
    return {
        "modelArn": f"arn:aws:bedrock:{region}::foundation-model/{model.id}",
        "modelId": model.id,
        "modelName": model.id.partition(".")[2],
        "providerName": model.provider,
        "inputModalities": ["TEXT"],
        "outputModalities": ["TEXT" if model.text else "EMBEDDING"],
        "responseStreamingSupported": model.streaming,
        "customizationsSupported": [],
        "inferenceTypesSupported": ["ON_DEMAND"] if model.on_demand else [],
        "modelLifecycle": lifecycle,
    }
