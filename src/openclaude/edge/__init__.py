"""Every socket, file and clock.

Server: the loopback listener; parses heads, applies the strict rules, splits off the credential once.
Upstream: dials origins, keeps connections, unwraps the credential last.
Secrets: finds AWS keys with botocore, in a worker thread.
Control: a private socket over which the gateway tells its state and takes the order to stop.
"""
