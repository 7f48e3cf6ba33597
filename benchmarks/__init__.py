"""The project's own benchmark: gateways side by side, at the shape of Claude Code's traffic. See benchmarks/README.md."""
