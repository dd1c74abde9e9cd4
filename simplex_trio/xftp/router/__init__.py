"""An XFTP router: it keeps packets in a folder, until they are deleted or expire."""
