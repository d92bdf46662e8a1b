"""Fuzz one reader with atheris, and keep what reaches new code.

    python tests/workflow/fuzz/fuzz_reader.py read_png CORPUS_FOLDER -max_total_time=600 -timeout=20

Needs atheris in the environment (it is no dependency of Comfywire), and Comfywire itself. The archives beside
this file are the corpora that ten minutes each left behind: every file reaches code that no other does.
../test_hostile_files.py reads them all. To go on from one, unpack it into CORPUS_FOLDER.
"""

import contextlib
import io
import sys
from importlib import import_module
from typing import Any

atheris: Any = import_module("atheris")
with atheris.instrument_imports(include=["comfywire"]):
    metadata = import_module("comfywire.workflow.metadata.find")
UnreadableWorkflow = import_module("comfywire.errors").UnreadableWorkflow


def main() -> None:
    name = sys.argv.pop(1)
    known = next(each for each in metadata._FORMATS if each.read.__name__ == name)

    def read(content: bytes) -> None:
        with contextlib.suppress(UnreadableWorkflow):
            metadata.find_in_file(io.BytesIO(content), known, where="it")

    atheris.Setup(sys.argv, read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
