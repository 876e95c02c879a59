"""Settings that hold for every test."""

import signal

from hypothesis import settings

# A shell starts what it puts into the background with SIGINT ignored, which is inherited: the commands that tests
# interrupt would never hear of it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadline: how long an example takes depends on what else the machine does.
settings.register_profile("repository", deadline=None)
settings.load_profile("repository")
