"""Settings that hold for every test."""

from hypothesis import settings

# No deadline: how long an example takes depends on what else the machine does.
settings.register_profile("repository", deadline=None)
settings.load_profile("repository")
