"""The interactive viewer of films and maps as plain data, and as a part of a page.

The viewer itself is TypeScript (``web-ui/viewer``), built into ``web/static/viewer.js``. What it is
given stands in docs/reference/viewer.md.
"""
