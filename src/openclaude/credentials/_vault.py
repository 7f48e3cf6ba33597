"""The bytes behind the handles. Only the credentials package imports this module (contract in pyproject.toml).

Entries live exactly as long as their handle: it takes its own out when it is freed (`Sealed.__del__`), and nothing else
has to remember to delete a secret. They are kept by the handle's address, which names nobody else while the handle lives.
Python has no private memory; this wall stops mistakes and regressions, not code that sets out to steal.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

T = TypeVar("T")

_SECRETS: dict[int, object] = {}


def put(handle: object, secret: object) -> None:
    """Keep a secret for a handle, which takes it out again when it is freed. A handle stands for one secret, once."""
    if id(handle) in _SECRETS:
        raise ValueError(f"a {type(handle).__name__} is sealed already")
    _SECRETS[id(handle)] = secret


def get(handle: object, kind: type[T]) -> T:
    """The secret behind `handle`. Raises KeyError for a handle that was never sealed."""
    secret = _SECRETS[id(handle)]
    if not isinstance(secret, kind):
        raise TypeError(f"{type(handle).__name__} does not stand for a {kind.__name__}")
    return secret


kept: Final[Callable[[int], Any]] = _SECRETS.__getitem__
"""The secret at a handle's address, for the handle itself: it knows the kind. Raises KeyError as `get` does."""


def drop(handle: object) -> None:
    """The handle is being freed."""
    _SECRETS.pop(id(handle), None)
