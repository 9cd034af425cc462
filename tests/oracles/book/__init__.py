"""The format of bundles by its page, a section in each file."""
