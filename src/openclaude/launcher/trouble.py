"""What every error of the launcher has in common: a person can read it, and it says what to do."""


class Trouble(Exception):  # noqa: N818  the base of errors, never raised itself
    """Base of the launcher's errors: str() says what happened and where.

    Attributes:
        hint: what the user can do.
        code: the exit code of a command that ends because of it.
    """

    hint: str
    code: int = 1
