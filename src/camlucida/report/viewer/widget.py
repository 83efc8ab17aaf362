"""The viewer in a notebook: JupyterLab, VS Code, Colab, by anywidget (extra ``notebook``)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import groupby
from typing import Any

from camlucida.attribution.explanation import Explanation
from camlucida.core.errors import UsageError
from camlucida.figures.style import style
from camlucida.report.viewer.data import viewer_data
from camlucida.report.viewer.page import viewer_script
from camlucida.report.viewer.words import viewer_words

HEIGHT = 640
"""Pixels of the viewer in a notebook."""

_MODULE = """
export default {
  render({ model, el }) {
    const host = document.createElement("div");
    host.style.height = `${model.get("height")}px`;
    el.append(host);
    const options = { words: model.get("words") };
    const gallery = camlucidaViewer.mountGallery(host, model.get("cases"), options);
    return () => gallery.dispose();
  },
};
"""


def view(
    explanations: Explanation | Sequence[Explanation],
    colormap: str | None = None,
    height: int = HEIGHT,
) -> Any:
    """The viewer of films and maps, for the last line of a notebook's cell.

    Where a notebook cannot show widgets, it shows the overlay of the first map.

    Args:
        explanations: of one or more images.
        colormap: the one to begin with; the viewer's own if None.
        height: in pixels.

    Returns:
        A widget; without the package anywidget, the picture of the first map.

    Raises:
        UsageError: no explanation.
        LayerError: a map lies over no image.
    """
    items = [explanations] if isinstance(explanations, Explanation) else list(explanations)
    if not items:
        raise UsageError("there is no explanation to view", "give one at least")
    try:
        widget = _widget_class()
    except ImportError:
        return items[0].overlay(colormap)
    cases = [_case(list(group), colormap) for _, group in groupby(items, key=_image)]
    words = viewer_words(style().page_texts)
    shown = widget(cases=cases, words=words, height=height)
    shown.first = items[0]
    return shown


def _image(explanation: Explanation) -> str:
    return explanation.scan.id


def _case(explanations: Sequence[Explanation], colormap: str | None) -> dict[str, Any]:
    name = explanations[0].scan.id
    note = f"{explanations[0].target} · {explanations[0].method}"
    data = viewer_data(explanations, colormap=colormap)
    return {"id": name, "title": name, "note": note, "data": data}


@cache
def _widget_class() -> Any:
    """The class of widgets, made once; anywidget is imported when a notebook asks for it."""
    import anywidget
    import traitlets

    class ViewerWidget(anywidget.AnyWidget):
        """Cases, words and height as the browser has them."""

        _esm = viewer_script() + _MODULE
        cases: Any = traitlets.List().tag(sync=True)
        words: Any = traitlets.Dict().tag(sync=True)
        height: Any = traitlets.Int(HEIGHT).tag(sync=True)
        first: Explanation | None = None

        def _repr_mimebundle_(self, **options: Any) -> Any:
            """The widget, and a picture for where it cannot run."""
            bundle = super()._repr_mimebundle_(**options)
            picture = None if self.first is None else self.first._repr_png_()
            if bundle is None or picture is None:
                return bundle
            data, metadata = bundle
            return {**data, "image/png": picture}, metadata

    return ViewerWidget
