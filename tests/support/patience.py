"""How long a test waits for what has to come. It says nothing about speed: whoever waits this long has met a hang."""

DEADLINE = 120.0
"""Seconds; far above what the busiest machine needs, and a wait that ends well never takes them."""
