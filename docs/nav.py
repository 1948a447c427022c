"""A hook of mkdocs: every guide gets a place in the navigation, by its file's name."""

from pathlib import Path
from typing import Any


def on_config(config: Any) -> Any:  # noqa: ANN401 - mkdocs' own configuration
    """Fill the entry *Guides* with what is in the folder, the index first."""
    found = sorted(path.name for path in (Path(config["docs_dir"]) / "guides").glob("*.md"))
    found.sort(key=lambda name: name != "index.md")
    for entry in config["nav"]:
        if "Guides" in entry:
            entry["Guides"] = [f"guides/{name}" for name in found]
    return config
