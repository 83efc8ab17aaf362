"""Every module of the package, imported."""

import importlib
import pkgutil

import camlucida


def import_all() -> None:
    """Import all, so that everything is registered and every text is declared."""
    for module in pkgutil.walk_packages(camlucida.__path__, "camlucida."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
