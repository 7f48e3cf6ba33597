"""One request, from its first byte to its last.

Pipeline: decides where a request goes and hands it to the exchange of that route.
Passthrough: relays bytes to the Anthropic API and back.
Translated: collects the body, translates it for Bedrock, signs it, and translates the answer as it arrives.
Local: answers from here.
"""
