import json
import math
import re
from pathlib import Path

import qring
from qring.jsontext import to_json


def _refuse(name):
    raise AssertionError(f"{name} is not JSON")


def test_values_that_json_does_not_have_become_null():
    text = to_json({"loss": math.nan, "pair": (1.5, math.inf), "deep": [{"x": -math.inf}], "n": 3})
    found = json.loads(text, parse_constant=_refuse)
    assert found == {"loss": None, "pair": [1.5, None], "deep": [{"x": None}], "n": 3}


def test_everything_that_people_read_is_written_so():
    root = Path(qring.__file__).parent
    for folder in ("cli", "training", "experiments", "paper"):
        for path in (root / folder).rglob("*.py"):
            assert not re.search(r"json\.dumps?\(", path.read_text()), path
