"""A dialect that is built when it is first spoken: a gateway starts, and idles, without the translators."""

from collections.abc import Callable

from openclaude.ports import Dialect, ProviderCall, TokenCount


class LateDialect:
    """Stands for the dialect that `build` gives; builds it once, at its first use."""

    def __init__(self, build: Callable[[], Dialect]) -> None:
        self._build = build
        self._built: Dialect | None = None

    @property
    def ready(self) -> bool:
        """Whether it is built; loading a translator takes longer than a loop may stand still."""
        return self._built is not None

    def prepare(
        self, raw: bytes, *, betas: bytes = b"", version: bytes = b"", request_id: str = ""
    ) -> ProviderCall:
        return self._dialect().prepare(raw, betas=betas, version=version, request_id=request_id)

    def count_tokens(self, raw: bytes, *, betas: bytes = b"", version: bytes = b"") -> TokenCount:
        return self._dialect().count_tokens(raw, betas=betas, version=version)

    def _dialect(self) -> Dialect:
        if self._built is None:
            self._built = self._build()
        return self._built


def is_ready(dialect: Dialect) -> bool:
    """Whether a dialect can be spoken without being loaded first."""
    return not isinstance(dialect, LateDialect) or dialect.ready
