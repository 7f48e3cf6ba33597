"""A shorter way for requests to the Anthropic API that repeat one which has gone the whole way.

A session asks the same thing of the gateway again and again: the same head on the same connection, a body that begins with
the same model, an answer whose head has the same form. For such a request every decision has been made before by the layers
below, and none of what decided has changed; here it is sent, and its whole answer handed back, in two functions. Whatever is
different (another head, a provider that has to be dialled, a stream, an answer in pieces, an error, a limit of time, the end
of either side) is the layers' own: the request goes on there from where it is, as if it had come that way.
"""

from openclaude.fastpath.connections import FastClientConnection, FastUpstreamConnection
from openclaude.fastpath.shortcuts import Express

__all__ = ["Express", "FastClientConnection", "FastUpstreamConnection"]
