"""Names of received files on systems with few characters."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import os
from simplex_trio.xftp.files.placing import usable_name

print(os.fsencode(usable_name("Gr\\xfc\\xdfe \\u2603.txt")))
"""


def test_a_name_that_the_file_system_cannot_write() -> None:
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        check=True,
        text=True,
    )
    assert done.stdout == "b'Gr__e _.txt'\n"
