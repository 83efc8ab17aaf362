/**
 * When to draw, and how finely. One drawing a frame of the screen; while it cannot keep up, the
 * canvas has fewer pixels, and all of them again once nothing moves.
 */

/** Milliseconds of a frame above which fewer pixels are drawn, and below which more. */
const SLOW = 19;
const FAST = 9;
const COARSEST = 4;
/** Milliseconds without a change after which all pixels are drawn. */
const SETTLED = 160;

export class Frames {
  /** Pixels of the screen for one of the canvas, along a side. */
  coarseness = 1;
  private pending = 0;
  private settling = 0;
  private cost = 0;

  constructor(private readonly draw: (coarseness: number) => void) {}

  /** Draw at the next frame; `moving`: as part of a movement, where speed matters most. */
  request(moving = false): void {
    if (moving) {
      window.clearTimeout(this.settling);
      this.settling = window.setTimeout(() => this.settle(), SETTLED);
    }
    if (this.pending !== 0) return;
    this.pending = window.requestAnimationFrame(() => this.frame());
  }

  private frame(): void {
    this.pending = 0;
    const moving = this.settling !== 0;
    const start = performance.now();
    this.draw(moving ? this.coarseness : 1);
    const spent = performance.now() - start;
    if (!moving) return;
    this.cost = this.cost === 0 ? spent : 0.6 * this.cost + 0.4 * spent;
    if (this.cost > SLOW && this.coarseness < COARSEST) this.change(this.coarseness * 1.5);
    else if (this.cost < FAST && this.coarseness > 1) this.change(this.coarseness / 1.25);
  }

  private change(coarseness: number): void {
    this.coarseness = Math.min(Math.max(coarseness, 1), COARSEST);
    this.cost = 0;
  }

  private settle(): void {
    this.settling = 0;
    this.request();
  }

  dispose(): void {
    window.clearTimeout(this.settling);
    window.cancelAnimationFrame(this.pending);
  }
}
