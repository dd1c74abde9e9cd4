"""What is checked of the documentation once it is built: `nox -s docs` does both."""
