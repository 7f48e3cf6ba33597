"""openClaude: one command and one gateway process that runs Claude Code on the models its user chose."""

__version__ = "0.1.0"
