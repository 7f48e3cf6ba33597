"""The promise of the project as an experiment: `openclaude prove`.

Canary: an invented credential of one kind, unlike any other, with the one place where it has to arrive.
Lane: one way a request can take through the gateway, with the credential it carries.
Sink: whoever else could be given something: a proxy, a stranger.
Proof: what each lane did, and every canary at every destination.
"""
