"""Arguments, messages and exit codes; one file for each command.

Data goes to stdout, talk to stderr. An error says what happened, then `hint:` and what to do.
Exit codes: 0 done, 1 it did not work, 2 the call or the configuration is wrong.
"""
