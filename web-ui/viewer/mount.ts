/** The viewer in an element of a page, in a shadow tree so that no style of the page touches it. */

import type { ViewerData } from "./data.js";
import { type Case, Gallery } from "./gallery.js";
import css from "./style.css";
import { Viewer, type ViewerOptions } from "./viewer.js";

export function shadowOf(host: HTMLElement): ShadowRoot {
  const root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  root.adoptedStyleSheets = [sheet];
  root.replaceChildren();
  return root;
}

/** Keys reach the viewer where the focus is in it; on a page of its own also where it is nowhere. */
function listen(host: HTMLElement, viewer: Viewer, wholePage: boolean): () => void {
  host.setAttribute("data-lm-suppress-shortcuts", "true"); // JupyterLab leaves the keys to it
  const inHost = (event: KeyboardEvent): void => {
    if (viewer.onKey(event)) event.stopPropagation();
  };
  const onPage = (event: KeyboardEvent): void => {
    if (event.target === document.body) viewer.onKey(event);
  };
  host.addEventListener("keydown", inHost);
  if (wholePage) document.addEventListener("keydown", onPage);
  return () => {
    host.removeEventListener("keydown", inHost);
    document.removeEventListener("keydown", onPage);
  };
}

/** Show one image in an element, whose height the page sets. */
export function mountViewer(host: HTMLElement, data: ViewerData, options: ViewerOptions = {}): Viewer {
  const viewer = new Viewer(options);
  shadowOf(host).append(viewer.root);
  alsoOnDispose(viewer, listen(host, viewer, options.wholePage ?? false));
  void viewer.show(data);
  return viewer;
}

function alsoOnDispose(viewer: Viewer, stop: () => void): void {
  const dispose = viewer.dispose.bind(viewer);
  viewer.dispose = () => {
    stop();
    dispose();
  };
}

/** Show several images in an element, with a list of them. */
export function mountGallery(
  host: HTMLElement,
  cases: readonly Case[],
  options: ViewerOptions = {},
): Gallery {
  const gallery = new Gallery(cases, options);
  shadowOf(host).append(gallery.root);
  const stop = listen(host, gallery.viewer, options.wholePage ?? false);
  alsoOnDispose(gallery.viewer, stop);
  return gallery;
}
