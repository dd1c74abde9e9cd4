"""Stores in a database of PostgreSQL: connections that Trio drives, and who may write.

Nothing of it is imported, and no package needed, until a store is opened with a URL.
"""
