/** Which part of the film is shown, and at what size. The same for all panels. */

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Largest magnification: pixels of the screen for one of the film. */
const LARGEST = 32;

export class View {
  /** Film coordinates of the middle of a panel. */
  x = 0;
  y = 0;
  /** Pixels of the screen (CSS) for one of the film. */
  zoom = 1;
  private film: Size = { width: 1, height: 1 };
  private panel: Size = { width: 1, height: 1 };
  private fitted = true;

  setFilm(film: Size, next = false): void {
    const same = film.width === this.film.width && film.height === this.film.height;
    this.film = film;
    if (!next || !same || this.fitted) this.fit();
  }

  setPanel(panel: Size): void {
    this.panel = panel;
    if (this.fitted) this.fit();
  }

  fit(): void {
    this.zoom = this.fitting();
    this.x = this.film.width / 2;
    this.y = this.film.height / 2;
    this.fitted = true;
  }

  /** Whether the whole film is shown, also after the panel changes its size. */
  get isFitted(): boolean {
    return this.fitted;
  }

  private fitting(): number {
    const { film, panel } = this;
    return Math.min(panel.width / film.width, panel.height / film.height) || 1;
  }

  /** Zoom by a factor while the film stays under a point of the panel. */
  zoomBy(factor: number, at: readonly [number, number] = this.middle()): void {
    const [x, y] = this.toFilm(at);
    const least = Math.min(this.fitting() / 2, 1);
    this.zoom = Math.min(Math.max(this.zoom * factor, least), LARGEST);
    this.x = x - (at[0] - this.panel.width / 2) / this.zoom;
    this.y = y - (at[1] - this.panel.height / 2) / this.zoom;
    this.hold();
  }

  zoomTo(zoom: number): void {
    this.zoomBy(zoom / this.zoom);
  }

  /** Move the film by pixels of the screen. */
  moveBy(x: number, y: number): void {
    this.x -= x / this.zoom;
    this.y -= y / this.zoom;
    this.hold();
  }

  private hold(): void {
    this.fitted = false;
    this.x = Math.min(Math.max(this.x, 0), this.film.width);
    this.y = Math.min(Math.max(this.y, 0), this.film.height);
  }

  private middle(): [number, number] {
    return [this.panel.width / 2, this.panel.height / 2];
  }

  /** A point of the panel in film coordinates. */
  toFilm([x, y]: readonly [number, number]): [number, number] {
    const { panel, zoom } = this;
    return [this.x + (x - panel.width / 2) / zoom, this.y + (y - panel.height / 2) / zoom];
  }

  /** Film coordinates on the panel. */
  toPanel([x, y]: readonly [number, number]): [number, number] {
    const { panel, zoom } = this;
    return [panel.width / 2 + (x - this.x) * zoom, panel.height / 2 + (y - this.y) * zoom];
  }
}
