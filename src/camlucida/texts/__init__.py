"""All words of a report, and of what else is said in several places: one TOML file a language, and what puts values into them.

Imports nothing of the package but its errors, so that any part of it can say what it found.
"""

from camlucida.texts.language import Citation, Piece, Texts
from camlucida.texts.recorded import english, heard, line, quoted
from camlucida.texts.sentence import Estimate, Sentence, Value, chain, named

__all__ = ["Citation", "Estimate", "Piece", "Sentence", "Texts", "Value", "chain", "english", "heard", "line", "named", "quoted"]
