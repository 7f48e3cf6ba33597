"""The bytes behind the handles. Only the credentials package imports this module (contract in pyproject.toml).

Entries live exactly as long as their handle: nothing has to remember to delete a secret.
Python has no private memory; this wall stops mistakes and regressions, not code that sets out to steal.
"""

from typing import TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")

_SECRETS: WeakKeyDictionary[object, object] = WeakKeyDictionary()


def put(handle: object, secret: object) -> None:
    _SECRETS[handle] = secret


def get(handle: object, kind: type[T]) -> T:
    """The secret behind `handle`. Raises KeyError for a handle that was never sealed."""
    secret = _SECRETS[handle]
    if not isinstance(secret, kind):
        raise TypeError(f"{type(handle).__name__} does not stand for a {kind.__name__}")
    return secret
