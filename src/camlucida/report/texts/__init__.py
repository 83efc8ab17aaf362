"""All words of a report: one TOML file a language, and what puts measured values into them."""

from camlucida.report.texts.language import Citation, Piece, Texts

__all__ = ["Citation", "Piece", "Texts"]
