"""Bedrock's refusals as errors of the Anthropic API, each with what the reader can do about it.

The exception's name decides, not the HTTP status: AWS documents 400 and 429 for throttling. The client recovers by
recognising wording, so the text of a 400 is passed on unchanged and never paraphrased.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from openclaude.adapters.bedrock_converse.pieces import string
from openclaude.adapters.bedrock_converse.refusal import Refusal, read
from openclaude.adapters.profiles import without_geo
from openclaude.domain.errors import ApiError
from openclaude.domain.http import Header

_TOO_LONG = re.compile(
    "input is too long|prompt is too long|exceed context limit|too many total text bytes|maximum context length",
    re.IGNORECASE,
)
_NOT_AUTHORIZED = re.compile(r"not authorized to perform: (\S+) on resource: (\S+)")
_WALLS = re.compile(
    "explicit deny|service control policy|permissions boundary|session policy|vpc endpoint policy|resource control policy"
)
"""Policies that an identity's own statement does not overrule."""
_API_KEY = re.compile(r"\bapi[ -]?key|bearer token", re.IGNORECASE)
_GEO_OF_REGION = (
    (re.compile("us-gov-"), ("us-gov",)),
    (re.compile("us-"), ("us",)),
    (re.compile("eu-"), ("eu",)),
    (re.compile("ap-northeast-[13]$"), ("jp", "apac")),
    (re.compile("ap-southeast-[24]$"), ("au", "apac")),
    (re.compile("ap-"), ("apac",)),
    (re.compile("ca-"), ("ca", "us")),
)
_ACTIONS = {
    "Converse": "bedrock:InvokeModel",
    "ConverseStream": "bedrock:InvokeModelWithResponseStream",
    "InvokeModelWithResponseStream": "bedrock:InvokeModelWithResponseStream",
    "CreateInference": "bedrock-mantle:CreateInference",
}
"""IAM actions of the operations; any other is allowed by `bedrock:InvokeModel`."""
_SUCCESSORS = (
    ("qwen.", "qwen.qwen3-coder-next"),
    ("anthropic.claude-3-5-haiku", "anthropic.claude-haiku-5-5"),
    ("anthropic.", "anthropic.claude-sonnet-5-5"),
    ("amazon.nova", "amazon.nova-2-lite-v1:0"),
    ("deepseek.", "deepseek.v3.2"),
    ("moonshot", "moonshotai.kimi-k2.5"),
    ("minimax.", "minimax.minimax-m2.5"),
    ("zai.", "zai.glm-5"),
)
"""What to use in place of a model that has reached its end, by the beginning of its id (contract, section H)."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which request failed: the operation, the model id and the region it was sent to."""

    operation: str
    model_id: str
    region: str


def failure(status: int, headers: Sequence[Header], body: bytes, place: Place) -> ApiError:
    """The Anthropic error for an HTTP answer that is not 200."""
    refusal = read(status, headers, body)
    if status == 413:
        return ApiError(413, "request_too_large", f"{refusal.message} (Amazon Bedrock takes at most 25 MB)")
    handler = _HANDLERS.get(refusal.name)
    return handler(refusal, place) if handler else _other(refusal)


def _wait(refusal: Refusal, usual: int) -> int:
    return usual if refusal.retry_after is None else refusal.retry_after


def throttled(refusal: Refusal, place: Place) -> ApiError:
    text = f"Bedrock throttled the request: {refusal.message}"
    if "per day" in refusal.message.lower():
        hint = "the daily token quota of this model is used up; it resets with the day. hint: Service Quotas console"
        return ApiError(429, "rate_limit_error", f"{text} ({hint})")
    hint = (
        f"the quota of requests or tokens per minute for {place.model_id} in {place.region}. "
        f"hint: wait, ask for more in the Service Quotas console, or use a profile that spreads over regions: "
        f"{_profiles(place)}"
    )
    return _again(429, "rate_limit_error", f"{text} ({hint})", _wait(refusal, 5))


def _quota(refusal: Refusal, place: Place) -> ApiError:
    hint = f"hint: raise the quota for {place.model_id} in {place.region} in the Service Quotas console"
    return ApiError(429, "rate_limit_error", f"{refusal.message} ({hint})")


def _not_ready(refusal: Refusal, _: Place) -> ApiError:
    return _again(529, "overloaded_error", refusal.message, _wait(refusal, 10))


def _unavailable(refusal: Refusal, _: Place) -> ApiError:
    return _again(529, "overloaded_error", f"Bedrock is unavailable: {refusal.message}", _wait(refusal, 5))


def _internal(refusal: Refusal, _: Place) -> ApiError:
    return _again(500, "api_error", f"Bedrock internal error: {refusal.message}", refusal.retry_after)


def _timed_out(refusal: Refusal, place: Place) -> ApiError:
    text = f"The model timed out: {refusal.message} ({place.model_id} in {place.region})"
    return _again(504, "timeout_error", text, refusal.retry_after)


def _model_error(refusal: Refusal, place: Place) -> ApiError:
    status = refusal.body.get("originalStatusCode")
    name = string(refusal.body.get("resourceName")) or place.model_id
    text = f"The model failed: {refusal.message} ({name} answered {status})"
    if isinstance(status, int) and 400 <= status < 500:
        if _TOO_LONG.search(refusal.message):
            return _invalid(refusal, place)
        return ApiError(400, "invalid_request_error", text)
    return _again(502, "api_error", text, refusal.retry_after)


def _stream_error(refusal: Refusal, _: Place) -> ApiError:
    original = string(refusal.body.get("originalMessage"))
    text = f"The model's stream failed: {refusal.message}" + (f" ({original})" if original else "")
    return _again(502, "api_error", text, refusal.retry_after)


def _denied(refusal: Refusal, place: Place) -> ApiError:
    text = refusal.message
    plain = text.replace("\u2019", "'").lower()
    if ("access to the model" in plain and "have access" in plain) or "model access is denied" in plain:
        return _permission(
            f"{text} (no model access to {place.model_id} in {place.region}. hint: accept the Marketplace agreement or "
            "the use-case form for it under Model access in the Bedrock console of that region)",
        )
    found = _NOT_AUTHORIZED.search(text)
    if found is not None:
        return _permission(f"{text} ({_statement(found[1], found[2].rstrip('.,;'), place, plain)})")
    if _API_KEY.search(text):
        return ApiError(
            401,
            "authentication_error",
            f"{text} (hint: check AWS_BEARER_TOKEN_BEDROCK: short-term keys live 12 hours at most, a key belongs to "
            "one region, and its owner needs bedrock:CallWithBearerToken)",
        )
    if _WALLS.search(plain):
        return _permission(f"{text} ({_WALLED})")
    action = _ACTIONS.get(place.operation, "bedrock:InvokeModel")
    return _permission(
        f"{text} (hint: {place.operation} needs {action} on {place.model_id} in {place.region})"
    )


_WALLED = (
    "an explicit deny, a service control policy or another policy around this identity forbids it: only its owner "
    "can change that"
)


def _statement(action: str, resource: str, place: Place, plain: str) -> str:
    if _WALLS.search(plain):
        return _WALLED
    parts = resource.split(":")
    region = parts[3] if len(parts) > 3 else ""
    # Converse has no IAM actions of its own.
    action = _ACTIONS.get(action.removeprefix("bedrock:"), action)
    statement = f'hint: allow {{"Effect":"Allow","Action":"{action}","Resource":"{resource}"}}'
    if region and region != place.region:
        statement += (
            f"; the profile {place.model_id} routes to {region}, so the model has to be allowed there too"
        )
    return statement


def _form(refusal: Refusal, place: Place) -> ApiError:
    hint = f"hint: submit Anthropic's use-case form for {place.model_id} in the Bedrock console"
    return _permission(f"{refusal.message} ({hint})")


def _credentials(refusal: Refusal, _: Place) -> ApiError:
    return _authentication(
        f"{refusal.message} (AWS did not accept the AWS credentials of this route. hint: see which source they come "
        "from, profile or environment, with `aws sts get-caller-identity` and `aws configure list`)",
    )


def _expired(refusal: Refusal, _: Place) -> ApiError:
    return _authentication(
        f"{refusal.message} (the AWS credentials of this route have expired. hint: renew them; for an SSO profile "
        "`aws sso login --profile NAME`)",
    )


def _signature(refusal: Refusal, _: Place) -> ApiError:
    # A time is out of bounds, or the signature is another: then the key is the first thing to look at.
    if "does not match" in refusal.message:
        hint = "the secret access key has to belong to the key id, and this machine's clock has to be right; if both are"
    else:
        hint = "set this machine's clock; if it is right"
    return _authentication(
        f"{refusal.message} (hint: {hint}, a proxy changes the path or the body on the way)"
    )


def _not_found(refusal: Refusal, place: Place) -> ApiError:
    text = f"{refusal.message} ({place.model_id} in {place.region}"
    plain = refusal.message.lower()
    if "end of its life" in plain:
        return ApiError(404, "not_found_error", f"{text}. hint: use its successor, {_successor(place)})")
    if "use case details" in plain:
        hint = "hint: submit Anthropic's use-case form in the Bedrock console"
        return ApiError(404, "not_found_error", f"{text}. {hint})")
    return ApiError(404, "not_found_error", f"{text}. hint: check the model id and the route's region)")


def _successor(place: Place) -> str:
    bare = without_geo(place.model_id)
    found = next((after for prefix, after in _SUCCESSORS if bare.startswith(prefix) and bare != after), "")
    return (
        f"{found}; `openclaude aws models` lists all"
        if found
        else "a newer one: `openclaude aws models` lists them"
    )


def _invalid(refusal: Refusal, place: Place) -> ApiError:
    text = refusal.message
    if _TOO_LONG.search(text):
        # The client compacts only when it recognises these words.
        shown = f"prompt is too long: {text} (capability_rejected: prompt_too_long)"
        return ApiError(400, "invalid_request_error", shown)
    if "model identifier is invalid" in text:
        hint = f"{place.model_id} in {place.region}. hint: check the id, or try {_profiles(place)}"
        return ApiError(404, "not_found_error", f"{text} ({hint})")
    if "on-demand throughput" in text:
        hint = f"{place.model_id} in {place.region} needs an inference profile. hint: use {_profiles(place)}"
        return ApiError(404, "not_found_error", f"{text} ({hint})")
    return ApiError(400, "invalid_request_error", text)


def _other(refusal: Refusal) -> ApiError:
    if 300 <= refusal.status < 400:
        return ApiError(
            502,
            "api_error",
            f"Bedrock answered with a redirect ({refusal.status}), and a signed request is never sent after one. "
            "hint: something between this machine and AWS rewrites answers",
        )
    text = (
        refusal.message if str(refusal.status) in refusal.message else f"{refusal.message} ({refusal.status})"
    )
    if 400 <= refusal.status < 500:
        return ApiError(400, "invalid_request_error", text)
    return _again(502, "api_error", text, refusal.retry_after)


def _again(status: int, kind: str, text: str, after: int | None) -> ApiError:
    return ApiError(status, kind, text, retry=True, retry_after=after)


def _permission(text: str) -> ApiError:
    return ApiError(403, "permission_error", text)


def _authentication(text: str) -> ApiError:
    return ApiError(401, "authentication_error", text)


def _profiles(place: Place) -> str:
    """The inference profiles that may serve the model in the region, most local first."""
    bare = without_geo(place.model_id)
    geos = next((geos for pattern, geos in _GEO_OF_REGION if pattern.match(place.region)), ())
    return " or ".join(f"{geo}.{bare}" for geo in (*geos, "global"))


_HANDLERS: dict[str, Callable[[Refusal, Place], ApiError]] = {
    "ThrottlingException": throttled,
    "TooManyRequestsException": throttled,
    "ThrottledException": throttled,
    "Throttling": throttled,
    "RequestLimitExceeded": throttled,
    "ServiceQuotaExceededException": _quota,
    "ModelNotReadyException": _not_ready,
    "ServiceUnavailableException": _unavailable,
    "ServiceUnavailable": _unavailable,
    "InternalServerException": _internal,
    "InternalFailure": _internal,
    "InternalServerError": _internal,
    "ModelTimeoutException": _timed_out,
    "ModelErrorException": _model_error,
    "ModelStreamErrorException": _stream_error,
    "AccessDeniedException": _denied,
    "AccessDenied": _denied,
    "FTUFormNotFilled": _form,
    "FTUFormNotFilledException": _form,
    "UnrecognizedClientException": _credentials,
    "InvalidClientTokenId": _credentials,
    "InvalidClientTokenIdException": _credentials,
    "MissingAuthenticationToken": _credentials,
    "MissingAuthenticationTokenException": _credentials,
    "IncompleteSignature": _credentials,
    "IncompleteSignatureException": _credentials,
    "ExpiredTokenException": _expired,
    "ExpiredToken": _expired,
    "RequestExpired": _expired,
    "InvalidSignatureException": _signature,
    "SignatureDoesNotMatch": _signature,
    "RequestTimeTooSkewed": _signature,
    "ResourceNotFoundException": _not_found,
    "ValidationException": _invalid,
    "SerializationException": _invalid,
    "UnknownOperationException": _invalid,
}

_IN_STREAM = {
    "throttlingException": (429, "rate_limit_error", "Bedrock throttled the request", 5),
    "serviceUnavailableException": (529, "overloaded_error", "Bedrock is unavailable", 5),
    "internalServerException": (500, "api_error", "Bedrock internal error", None),
    "modelStreamErrorException": (502, "api_error", "The model's stream failed", None),
    "modelTimeoutException": (504, "timeout_error", "The model timed out", None),
}


def in_stream(name: str, message: str, place: Place) -> ApiError:
    """The error for an exception frame. The same text serves as an `error` event and as an HTTP answer."""
    name = name[:1].lower() + name[1:]
    message = message or "no text"
    if name == "validationException":
        return _invalid(Refusal("ValidationException", 400, message, {}, None), place)
    status, kind, what, after = _IN_STREAM.get(
        name, (500, "api_error", f"Bedrock failed with {name[:64]}", None)
    )
    retry = not (kind == "rate_limit_error" and "per day" in message.lower())
    return ApiError(status, kind, f"{what}: {message}", retry=retry, retry_after=after if retry else None)
