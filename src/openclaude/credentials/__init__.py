"""Who may open what.

Sealed: a handle without a value; the bytes it stands for are in the vault.
Policy: the only way to turn a request into one that may be sent, and the place that names the origin.
ClientCredential: what the client sent to prove who it is. Only `Passthrough` takes it.
AwsKeys: keys that sign. Only `SignFor` takes them; the secret key itself never leaves this package.
AuthorizedRequest: a request with its origin. The transport accepts nothing else.
"""
