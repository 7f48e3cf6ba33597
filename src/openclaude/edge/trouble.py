"""What is said when a provider cannot be reached."""

from openclaude.domain.errors import ApiError, overloaded, upstream_unreachable
from openclaude.domain.http import Origin


def trouble(origin: Origin, what: str) -> ApiError:
    """A provider did something that ends the request; `what` follows its name."""
    return upstream_unreachable(
        f"openClaude: {origin} {what}. hint: check the network; `openclaude logs` shows every attempt",
    )


def timed_out(origin: Origin, seconds: float) -> ApiError:
    """A provider did not accept a connection within this time."""
    return ApiError(
        504,
        "timeout_error",
        f"openClaude: {origin} did not accept a connection within {seconds:.0f} s. hint: check the network",
        retry=True,
    )


def exhausted(origin: Origin) -> ApiError:
    """There is no descriptor for a connection; requests under way go on, and this one can be sent again soon."""
    return overloaded(
        f"no file descriptor is left for a connection to {origin}, nothing was sent. "
        "hint: raise the limit of open files (`ulimit -n`) and run `openclaude restart`, or end some sessions"
    )


def reason(error: OSError) -> str:
    """Why a connection failed, in a word or two."""
    return (error.strerror or type(error).__name__).lower()
