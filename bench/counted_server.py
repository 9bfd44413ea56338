"""Serves notes with one of its processes under callgrind: `counted_server DIRECTORY gateway|model`.

The supervisor starts its children with `sys.executable`; here that is a script that puts valgrind
before the one that is to be counted. Counting is off until callgrind_control switches it on, so it
starts in seconds.
"""

import shlex
import sys
from pathlib import Path

from bench.sides.lithair import gated_application

# The children's command line tells what they are: see lithair/actors/child_process.py.
KINDS = {"gateway": '"kind":"gateway"', "model": '"title":"model notes"'}
INTERPRETER = """#!/bin/sh
case "$*" in
*{mark}*)
    exec valgrind --tool=callgrind --instr-atstart=no --log-file={directory}/valgrind-%p.log \\
        --callgrind-out-file={directory}/counts-%p {python} "$@" ;;
*)  exec {python} "$@" ;;
esac
"""


def main() -> None:
    directory, kind = Path(sys.argv[1]), sys.argv[2]
    script = directory / "python"
    script.write_text(
        INTERPRETER.format(
            mark=shlex.quote(KINDS[kind]),
            directory=shlex.quote(str(directory)),
            python=shlex.quote(sys.executable),
        ),
        encoding="utf-8",
    )
    script.chmod(0o755)
    sys.executable = str(script)
    gated_application(directory).with_port(int(sys.argv[3])).serve()


if __name__ == "__main__":
    main()
