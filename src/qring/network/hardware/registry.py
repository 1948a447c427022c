"""Profiles by name: the published ones, those that users add, and files."""

from __future__ import annotations

from pathlib import Path

from qring.errors import InputError
from qring.network.hardware import files
from qring.network.hardware.profile import Profile
from qring.network.hardware.published import PUBLISHED
from qring.validate import check_instance

__all__ = ["PROFILES", "add_profile", "find_profile"]

PROFILES: dict[str, Profile] = dict(PUBLISHED)
"""Every profile by its name; :func:`add_profile` adds to it."""


def add_profile(profile: Profile, *, replace: bool = False) -> None:
    """Let ``profile`` be found by its name.

    Raises:
        InputError: there is one of that name already, and ``replace`` does not say so.
    """
    check_instance("profile", profile, Profile, "a Profile")
    if profile.name in PROFILES and not replace:
        raise InputError(f"there is a profile {profile.name!r} already: choose another name")
    PROFILES[profile.name] = profile


def find_profile(name: str | Profile) -> Profile:
    """The profile of this name, or in the JSON file of this path.

    Raises:
        InputError: neither; the line lists the names there are.
    """
    if isinstance(name, Profile):
        return name
    if not isinstance(name, str):
        raise InputError(f"hardware got {name!r}; use a name, a path or a Profile")
    if name in PROFILES:
        return PROFILES[name]
    if name.endswith(".json") or "/" in name:
        return files.read(Path(name))
    raise InputError(
        f"there is no hardware {name!r}: use {', '.join(PROFILES)}, or the path of a .json file"
    )
