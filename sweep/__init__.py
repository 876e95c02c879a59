"""The application: command line, configuration, scheduling, search and tracking of a sweep."""
