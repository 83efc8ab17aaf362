"""Files of a folder that are new and complete."""

from __future__ import annotations

from pathlib import Path

from camlucida.io.annotations.dicom_objects import dicom_modality


class FolderPoll:
    """Looks into a folder again and again.

    A file is complete when two looks see the same size and time: copying changes them.

    Args:
        folder: with its sub-folders; hidden files are left out.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seen: dict[Path, tuple[int, int]] = {}
        self._given: dict[Path, tuple[int, int]] = {}

    def new_files(self) -> list[Path]:
        """DICOM images that are complete and were not given before, by name."""
        now = self._states()
        steady = [path for path, state in now.items() if self._seen.get(path) == state]
        new = [path for path in steady if self._given.get(path) != now[path]]
        self._seen = now
        self._given |= {path: now[path] for path in new}
        return [path for path in sorted(new) if dicom_modality(path)]

    def _states(self) -> dict[Path, tuple[int, int]]:
        states = {}
        for path in self.folder.rglob("*"):
            if path.name.startswith("."):
                continue
            try:
                about = path.stat()
            except OSError:  # taken away meanwhile
                continue
            if path.is_file() and about.st_size:
                states[path] = (about.st_size, about.st_mtime_ns)
        return states
