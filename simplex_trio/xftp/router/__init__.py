"""An XFTP router: packets kept in a folder for as long as they may be fetched."""
