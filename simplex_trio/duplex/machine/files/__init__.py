"""What becomes of a file that is sent or received: decisions only, as those about connections."""
