"""A PostgreSQL of our own, so that one process needs nothing but Python.

`EmbeddedServer(data_dir)` makes the data on its first start, keeps the server running as a direct
child, stops it cleanly, and recovers after either of the two was killed. It never changes the
permissions of a folder it did not make, never runs PostgreSQL as root and listens on no network.
"""

from farebox.storage.embedded.errors import EmbeddedServerError
from farebox.storage.embedded.installation import Installation, installations
from farebox.storage.embedded.server import EmbeddedServer

__all__ = ["EmbeddedServer", "EmbeddedServerError", "Installation", "installations"]
