"""A dialect that is built when it is first spoken: a gateway starts, and idles, without the translators."""

from collections.abc import Callable
from typing import Any

from openclaude.ports import Dialect, ProviderCall, TokenCount


class LateDialect:
    """Stands for the dialect that `build` gives; builds it once, at its first use."""

    def __init__(self, build: Callable[[], Dialect]) -> None:
        self._build = build
        self._built: Dialect | None = None
        self.ready = False
        """Whether it is built; loading a translator takes longer than a loop may stand still."""
        self.prepare: Callable[..., ProviderCall] = self._prepare
        self.count_tokens: Callable[..., TokenCount] = self._count_tokens

    def _prepare(self, raw: bytes, **more: Any) -> ProviderCall:
        return self._dialect().prepare(raw, **more)

    def _count_tokens(self, raw: bytes, **more: Any) -> TokenCount:
        return self._dialect().count_tokens(raw, **more)

    def _dialect(self) -> Dialect:
        if self._built is None:
            self._built = built = self._build()
            self.prepare, self.count_tokens = built.prepare, built.count_tokens
            self.ready = True
        return self._built


def is_ready(dialect: Dialect) -> bool:
    """Whether a dialect can be spoken without being loaded first."""
    return getattr(dialect, "ready", True)
