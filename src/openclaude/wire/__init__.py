"""Framing and strictness, without I/O: bytes in, values out.

Head: request line and headers of an HTTP/1.1 message.
Frame: one message of AWS's event-stream encoding.
Event: one `event:`/`data:` pair of a server-sent event stream.
Signature: AWS Signature Version 4 over exactly the bytes that are sent.
"""
