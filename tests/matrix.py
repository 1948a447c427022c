"""Run the core's tests, those that need NumPy alone, on every Python 3.10-3.13 that is here.

    python tests/matrix.py

Each Python gets a virtual environment of its own below build/matrix; with none found it fails.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
VERSIONS = ("3.10", "3.11", "3.12", "3.13")
CORE = [
    "tests/unit/test_ledger.py",
    "tests/unit/test_numbers.py",
    "tests/unit/test_atomic.py",
    "tests/unit/encoding",
    "tests/unit/schedule",
    "tests/unit/network/test_noise.py",
    "tests/laws/test_ring_laws.py",
    "tests/guards/test_package.py",
]


def interpreters():
    """Interpreters by version: from pyenv, or from the path."""
    found = {}
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for version in VERSIONS:
        kept = sorted(pyenv.glob(f"{version}.*/bin/python"))
        there = str(kept[-1]) if kept else shutil.which(f"python{version}")
        if there:
            found[version] = there
    return found


def main():
    failed = []
    found = interpreters()
    for version, python in found.items():
        folder = ROOT / "build" / "matrix" / version
        own = folder / "bin" / "python"
        if not own.exists():
            subprocess.run([python, "-m", "venv", folder], check=True)
        pip = [own, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        tools = ["pytest", "pytest-timeout", "hypothesis", "hatchling"]
        subprocess.run([*pip, ROOT, *tools], check=True)
        there = [path for path in CORE if (ROOT / path).exists()]
        command = [own, "-m", "pytest", "-p", "no:cacheprovider", "-m", "not slow", *there]
        ended = subprocess.run(command, cwd=ROOT, check=False).returncode
        print(f"python {version}: {'passed' if ended == 0 else f'pytest ended with {ended}'}")
        if ended:
            failed.append(version)
    absent = [version for version in VERSIONS if version not in found]
    if absent:
        print(f"not here: {', '.join(absent)}")
    return 1 if failed or not found else 0


if __name__ == "__main__":
    sys.exit(main())
