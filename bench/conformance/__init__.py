"""The conformance kit: does an adapter's device do what it says?

Every check runs the device through the same contract as a trial does, in a child process, so that a
crash or a hang is one failed check. Checks judge by robust figures with wide margins: an honest
device on a busy machine passes, and a dishonest one is off by far more.
"""
