"""Bytes: frames behind a length, and CBOR with bounds."""
