"""The parts put together, and running.

Whoever needs the database alone imports `opening`, whoever asks the channels `composition`, and only
what serves `running`: each brings so much along that it is felt at the start of a command.
"""
