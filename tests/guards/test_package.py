"""What is shipped: metadata, contents and sizes of wheel and sdist, extras, and deprecations."""

import re
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from qring.deprecation import QringDeprecationWarning, deprecated

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "qring"
if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    build = pytest.importorskip("hatchling.build")
    folder = tmp_path_factory.mktemp("dist")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return folder / build.build_wheel(str(folder)), folder / build.build_sdist(str(folder))


def test_the_wheel_has_all_of_the_package_and_nothing_else(built):
    wheel, _ = built
    assert wheel.stat().st_size <= 2_000_000
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = archive.read(next(n for n in names if n.endswith("/METADATA"))).decode()
    assert {n for n in names if not n.startswith("qring/")} == {
        n for n in names if ".dist-info/" in n
    }
    here = {
        f"qring/{path.relative_to(SOURCE)}"
        for path in SOURCE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert here <= names
    assert "qring/py.typed" in names
    required = re.findall(r"^Requires-Dist: (?!.*extra ==)(.*)$", metadata, re.MULTILINE)
    assert required == ["numpy>=1.26"]


def test_the_sdist_can_build_and_test_and_brings_no_workplace(built):
    _, sdist = built
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for needed in ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff",
                   "src/qring/__init__.py", "tests/conftest.py", "docs/index.md"):  # fmt: skip
        assert needed in names
    assert not [n for n in names if n.startswith((".ci", ".pre-commit", ".venv", "runs/"))]


def test_every_extra_that_is_named_in_an_error_exists_and_is_in_all():
    extras = PROJECT["optional-dependencies"]
    named = set()
    for path in SOURCE.rglob("*.py"):
        text = path.read_text()
        named |= set(re.findall(r'MissingExtraError\([^)]*?,\s*"(\w+)"\s*\)', text))
    assert len(named) > 8
    assert named <= set(extras)
    (line,) = extras["all"]
    inside = set(re.fullmatch(r"qring\[(.*)\]", line)[1].split(","))
    assert inside == set(extras) - {"all", "docs", "dev"}


def test_pythons_and_versions_are_told_alike():
    versions = [c.rpartition(" ")[2] for c in PROJECT["classifiers"] if re.search(r"3\.\d", c)]
    assert versions == ["3.10", "3.11", "3.12", "3.13"]
    assert PROJECT["requires-python"] == f">={versions[0]}"
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"version: {PROJECT['version']}\n" in citation
    assert PROJECT["license"] in citation


def test_deprecated_names_work_and_say_what_to_use():
    @deprecated(since="0.2", removed_in="0.4", instead="new()")
    def old(x):
        """Add one."""
        return x + 1

    with pytest.warns(QringDeprecationWarning, match=r"since qring 0\.2 .* in 0\.4; use new\(\)"):
        assert old(1) == 2
    assert "Deprecated since 0.2" in old.__doc__
    assert old.__doc__.startswith("Add one.")
