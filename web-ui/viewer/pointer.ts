/** Mouse, pen and fingers on the stage: move, zoom, level and width, a region, the pointer. */

import type { Tool } from "./settings.js";

export interface Region {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface PointerTarget {
  tool(): Tool;
  move(x: number, y: number): void;
  zoom(factor: number, at: [number, number]): void;
  /** Change level and width by pixels of the screen. */
  window(level: number, width: number): void;
  fit(): void;
  point(at: [number, number] | null): void;
  region(from: [number, number], to: [number, number], done: boolean): void;
  /** The brush goes from one point to another. */
  paint(from: [number, number], to: [number, number]): void;
  lift(): void;
}

interface Held {
  x: number;
  y: number;
}

export function watchPointer(stage: HTMLElement, target: PointerTarget): void {
  const held = new Map<number, Held>();
  let start: [number, number] | null = null;
  let painted = false;
  const at = (event: MouseEvent): [number, number] => {
    const bounds = stage.getBoundingClientRect();
    return [event.clientX - bounds.left, event.clientY - bounds.top];
  };

  stage.addEventListener("pointerdown", (event) => {
    stage.setPointerCapture(event.pointerId);
    held.set(event.pointerId, { x: event.clientX, y: event.clientY });
    start = at(event);
    if (held.size === 1 && paints(event)) target.paint(start, start);
  });

  stage.addEventListener("pointermove", (event) => {
    const before = held.get(event.pointerId);
    target.point(at(event));
    if (before === undefined) return;
    const moved = { x: event.clientX - before.x, y: event.clientY - before.y };
    const distance = spread(held);
    held.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (held.size === 2) {
      target.move(moved.x / 2, moved.y / 2);
      if (distance > 0) target.zoom(spread(held) / distance, at(event));
      return;
    }
    drag(event, moved);
  });

  const drag = (event: PointerEvent, moved: Held): void => {
    const tool = target.tool();
    const to = at(event);
    if (isSecondary(event) || tool === "window") target.window(moved.y, moved.x);
    else if (tool === "brush") target.paint([to[0] - moved.x, to[1] - moved.y], to);
    else if (tool === "region" && start !== null) target.region(start, to, false);
    else target.move(moved.x, moved.y);
  };

  /** Whether the brush begins here. */
  const paints = (event: PointerEvent): boolean => {
    painted = target.tool() === "brush" && !isSecondary(event);
    return painted;
  };

  const release = (event: PointerEvent): void => {
    const last = held.size === 1;
    if (!held.delete(event.pointerId) || !last || start === null) return;
    const end = at(event);
    const drawn = Math.hypot(end[0] - start[0], end[1] - start[1]) > 3;
    if (target.tool() === "region" && drawn) target.region(start, end, true);
    if (painted) target.lift();
    painted = false;
    start = null;
  };
  stage.addEventListener("pointerup", release);
  stage.addEventListener("pointercancel", release);
  stage.addEventListener("pointerleave", () => target.point(null));
  stage.addEventListener("contextmenu", (event) => event.preventDefault());
  stage.addEventListener("dblclick", () => target.fit());
  const wheel = (event: WheelEvent): void => {
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    const speed = event.ctrlKey ? 0.01 : 0.0015; // a pinch on a touchpad comes with Ctrl
    target.zoom(Math.exp(-event.deltaY * lines * speed), at(event));
  };
  stage.addEventListener("wheel", wheel, { passive: false });
}

/** Whether a drag changes level and width, whatever the tool is. */
function isSecondary(event: PointerEvent): boolean {
  return (event.buttons & 2) !== 0 || event.shiftKey;
}

function spread(held: ReadonlyMap<number, Held>): number {
  const [a, b] = [...held.values()];
  return a === undefined || b === undefined ? 0 : Math.hypot(a.x - b.x, a.y - b.y);
}
