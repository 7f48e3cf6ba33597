"""Two providers in a box: the Anthropic Messages API and the Amazon Bedrock runtime, for the demo and for the tests.

Script: decides what a model answers, from a neutral view of what it was asked.
Simulator: speaks one provider's protocol over a real socket and refuses what that provider would refuse.
Recorded: one request exactly as it arrived, byte for byte, with when and how it ended.
Reply: what goes back on the wire, every fault of a real network included.
World: both simulators on loopback, with TLS by an authority made for the occasion.

The simulators are an independent witness: they share no code with the product they are used to judge.
"""
