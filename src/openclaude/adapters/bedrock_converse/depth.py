"""JSON that nests deeper than the stack is refused, wherever that comes to light."""

from openclaude.domain.errors import ApiError, invalid_request
from openclaude.wire import jsontext


class bounded_depth:  # noqa: N801  it is used like a function
    """Turn "nested too deeply", wherever it comes from, into a 400."""

    __slots__ = ()

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: type[BaseException] | None, error: object, traceback: object) -> None:
        if kind is not None and issubclass(kind, RecursionError | jsontext.JsonError):
            raise too_deep() from None


def too_deep() -> ApiError:
    """The refusal of what nests deeper than a stack."""
    return invalid_request("the request's JSON is nested too deeply to be translated")
