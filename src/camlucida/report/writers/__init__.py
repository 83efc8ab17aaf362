"""A report as HTML, Markdown, LaTeX or PDF: one file a format."""
