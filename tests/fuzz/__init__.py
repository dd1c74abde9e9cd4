"""Coverage-guided fuzzing of everything that reads untrusted bytes: ``python -m tests.fuzz``.

`targets` says what is fuzzed and which errors it may raise; whatever else comes out of it, or a
call that does not end, is a finding.  The ordinary tests run every target on its seeds, so that
none rots between two fuzzing sessions.
"""
