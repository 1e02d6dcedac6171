"""The development hub: a FLAME hub's auth, core and storage services in one process, for demos and tests.

It keeps its state in one folder (SQLite and files), loses nothing it has acknowledged when it is killed, and speaks
as one of three published hub releases (see :mod:`.profile`). It is no hub for real data: there are no permissions
beyond "has a token", and an admin API on the loopback interface shows and disturbs everything.
"""
