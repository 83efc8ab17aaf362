/**
 * When to draw, and how finely. One drawing a frame of the screen; while it cannot keep up, the
 * canvas has fewer pixels, and all of them again once nothing moves.
 */

/** Milliseconds of a frame above which fewer pixels are drawn, and below which more. */
const SLOW = 12;
const FAST = 5;
const FAST_FRAMES = 10;
const COARSEST = 4;
/** Milliseconds without a change after which all pixels are drawn. */
const SETTLED = 160;

export class Frames {
  /** Pixels of the screen for one of the canvas, along a side. */
  coarseness = 1;
  private pending = 0;
  private settling = 0;
  private fast = 0;

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

  get isMoving(): boolean {
    return this.settling !== 0;
  }

  private frame(): void {
    this.pending = 0;
    const start = performance.now();
    this.draw(this.isMoving ? this.coarseness : 1);
    if (this.isMoving) this.adapt(performance.now() - start);
  }

  /** Fewer pixels after a slow frame, a few more after several fast ones. */
  private adapt(spent: number): void {
    if (spent > SLOW) {
      this.coarseness = Math.min(this.coarseness * Math.min(Math.sqrt(spent / SLOW) + 0.1, 2), COARSEST);
      this.fast = 0;
    } else if (spent < FAST && ++this.fast >= FAST_FRAMES) {
      this.coarseness = Math.max(this.coarseness / 1.2, 1);
      this.fast = 0;
    }
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
