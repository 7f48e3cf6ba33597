"""One line for each request: typed fields, with no field that a body or a secret would fit in."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class AccessRecord:
    """What is remembered of a request.

    Times are seconds from the request's head to the first byte and to the end of the answer; sizes are body bytes.
    `outcome` is one of `complete`, `client_left`, `upstream_failed`. `credential` names a kind, never a value.
    `reason` says why this route answered; it is empty or `match` where the model's name alone decided.
    `attempts` are the places that were tried before, each as `route/model:status`.
    Token counts are None where the provider reported none in clear (a compressed answer is relayed unread).
    """

    request_id: str
    endpoint: str
    model: str = ""
    slot: str = ""
    route: str = ""
    reason: str = ""
    upstream_model: str = ""
    upstream_request_id: str = ""
    credential: str = ""
    status: int = 0
    outcome: str = ""
    first_byte: float | None = None
    total: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0
    input_tokens: int | None = None
    output_tokens: int | None = None
    notes: tuple[str, ...] = field(default=())
    attempts: tuple[str, ...] = ()
