"""What `openclaude aws` does: the policy a configuration needs, a check of it against AWS, and the models there are.

Step: one line of the check: ok, problem or skipped, what was seen, and the remedy.
Signer: authorises requests to AWS with credentials that stay sealed.
Caller: sends them one at a time and keeps an eye on the clock.
Geo: the prefix of an inference profile, and the regions it may route to.
"""
