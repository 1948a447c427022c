"""Lets laws share what an eavesdropper works out."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))  # where eavesdropping.py lies
