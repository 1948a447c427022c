"""Hooks of mkdocs: every guide gets a place in the navigation, every public module one in the API.

Both are found rather than listed, so that nothing new is forgotten.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

import qring

_MORE = "api/more.md"


def on_config(config: Any) -> Any:  # noqa: ANN401 - mkdocs' own configuration
    """Fill the entry *Guides* with what is in the folder, the index first."""
    found = sorted(path.name for path in (Path(config["docs_dir"]) / "guides").glob("*.md"))
    found.sort(key=lambda name: name != "index.md")
    for entry in config["nav"]:
        if "Guides" in entry:
            entry["Guides"] = [f"guides/{name}" for name in found]
    return config


def on_files(files: Files, *, config: Any) -> Files:  # noqa: ANN401 - mkdocs' own configuration
    """Add a page of the modules of public names that no other page of the API shows."""
    pages = (Path(config["docs_dir"]) / "api").glob("*.md")
    shown = {name for page in pages for name in re.findall(r"^::: (\S+)$", page.read_text(), re.M)}
    left = sorted(set(qring._HOMES.values()) - shown)
    content = "# More\n\n" + "\n\n".join(f"::: {module}" for module in left) + "\n"
    files.append(File.generated(config, _MORE, content=content))
    return files
