"""One module for each provider dialect: the list of files is the support matrix.

Adapter: turns a client's request into what one provider is asked, and its answer back. Bytes in, bytes out.
Profile: what a model can do, as data.
"""
