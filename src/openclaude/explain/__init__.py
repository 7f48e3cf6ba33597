"""What the translation does with one request or one answer, without a gateway, a network or a credential.

Target: the capability profile, model id, region and operation something is explained against.
Explanation: a JSON object that says what would be sent, or what the client would get.
Reject: the error a client gets for a request that is never sent.
Note: the code of something that was degraded; `meanings` says each in a sentence.
"""
