"""For all tests: properties are judged by what they find, not by how busy the machine is."""

from hypothesis import settings

settings.register_profile("batchwright", deadline=None)
settings.load_profile("batchwright")
