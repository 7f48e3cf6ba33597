"""What is wrong with a user's set-up, each with its remedy: `openclaude doctor`.

Patient: everything that is looked at: environment, folders, settings, and how the machine is asked.
Finding: one thing that was seen: ok, a warning or a problem, the exact remedy, and how to mend it where that is ours to do.
Check: patient in, findings out; it changes nothing.
"""
