"""The command line while it is still being imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import sys
from leo_opt.__main__ import main

class Interrupt:
    def find_spec(self, name, path, target=None):
        if name == "leo_opt.cli":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
main()
"""


@pytest.mark.system
def test_ctrl_c_while_the_command_line_is_imported_is_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Interrupted.\n")
