/** The server's interface: GET /api/openapi.json describes it. */

import type { FilmData, VolumeData } from "../viewer/data.js";
import type { AnyMap } from "./shown.js";

export interface Film {
  readonly id: string;
  readonly name: string;
  readonly given: boolean;
  /** Rows and columns; of a volume slices before them. */
  readonly size?: readonly number[];
  /** Both of a DICOM file of many frames; not known before it was decoded. */
  readonly kinds?: readonly ("film" | "volume")[];
  readonly patient?: Readonly<Record<string, string>>;
}

export interface ShownFilm extends Film {
  readonly film: FilmData;
  /** Of a volume. */
  readonly volume?: VolumeData;
  readonly notes: readonly string[];
  readonly synthetic: boolean;
}

export interface Named {
  readonly id: string;
  readonly name: string;
}

export interface Layer {
  readonly path: string;
  readonly grid: readonly number[];
  readonly auto: boolean;
  readonly stage: boolean;
}

export interface Model extends Named {
  readonly description: string;
  readonly task: string | null;
  readonly labels: readonly string[];
  readonly layers: readonly Layer[];
  readonly notes: readonly string[];
  /** Whether it is one of volumes. */
  readonly volume: boolean;
  /** Whether it was trained on synthetic films alone. */
  readonly synthetic: boolean;
}

export interface Method {
  readonly name: string;
  readonly title: string;
  readonly kind: "gradient" | "activation" | "probe" | "input";
  readonly class_specific: boolean;
  readonly cost: string;
}

/** Whether a map takes many passes through the model, and is made as a job. */
export function isSlow(method: Method): boolean {
  return method.kind === "probe" || method.kind === "input";
}

export interface Finding {
  readonly target: string;
  readonly score: number;
  readonly probability: number | null;
  readonly threshold: number | null;
  readonly above: boolean | null;
}

export interface Findings {
  readonly score_kind: string;
  readonly findings: readonly Finding[];
  readonly notes: readonly string[];
}

export type ShownMap = AnyMap & { readonly notes: readonly string[] };

export interface Score {
  readonly score: number;
  readonly probability: number | null;
}

export interface RegionChange {
  readonly target: string;
  readonly score_kind: string;
  readonly share: number;
  readonly before: Score;
  readonly after: Score;
  readonly elsewhere: readonly Score[];
}

export interface Occlusion {
  readonly target: string;
  readonly score_kind: string;
  readonly before: Score;
  readonly drop: readonly (readonly number[])[];
}

export interface Curve {
  readonly target: string;
  readonly score_kind: string;
  /** Of the map. */
  readonly cells: number;
  /** How many of them were chosen to be hidden, if any. */
  readonly count: number | null;
  /** Hidden at each step, from none on. */
  readonly counts: readonly number[];
  readonly shares: readonly number[];
  readonly hottest: readonly Score[];
  readonly random: readonly (readonly Score[])[];
}

export interface Job<Result> {
  readonly id: string;
  readonly state: "queued" | "running" | "done" | "failed" | "cancelled";
  readonly done: number;
  readonly total: number;
  /** While it runs: of the altered films that were run so far, the film as it is first. */
  readonly scores: readonly number[];
  readonly result: Result | null;
  readonly error: Problem | null;
  /** Set here, while the server does not answer. */
  readonly offline?: boolean;
}

export interface Problem {
  readonly code: string;
  readonly what: string;
  readonly fix: string;
}

export class ApiError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.fix ? `${problem.what} (${problem.fix})` : problem.what);
  }
}

async function answer<Reply>(path: string, init: RequestInit = {}): Promise<Reply> {
  let reply: Response;
  try {
    reply = await fetch(`/api/${path}`, init);
  } catch {
    const what = "the server does not answer";
    throw new ApiError({ code: "offline", what, fix: "start it again: camlucida serve" });
  }
  if (reply.status === 204) return undefined as Reply;
  const body: unknown = await reply.json();
  if (!reply.ok) throw new ApiError(body as Problem);
  return body as Reply;
}

export function get<Reply>(path: string): Promise<Reply> {
  return answer(path);
}

export function post<Reply>(path: string, request: object): Promise<Reply> {
  const headers = { "content-type": "application/json" };
  return answer(path, { method: "POST", headers, body: JSON.stringify(request) });
}

export function put<Reply>(path: string, request: object): Promise<Reply> {
  const headers = { "content-type": "application/json" };
  return answer(path, { method: "PUT", headers, body: JSON.stringify(request) });
}

export function give(file: File): Promise<Film> {
  return answer(`films?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file });
}

export function remove(path: string): Promise<unknown> {
  return answer(path, { method: "DELETE" });
}

/** Which map: what POST /api/maps is sent. */
export interface Question {
  readonly film: string;
  readonly model: string;
  readonly target: string;
  readonly method: string;
  readonly layer: string;
}

export function cancelJob(id: string): void {
  remove(`jobs/${id}`).catch(() => undefined); // what has ended needs no cancelling
}

/** What the page follows. */
const followed = new Set<EventSource>();

/** The page is left: its work goes on, and the page of jobs shows it. */
export function leaveJobs(): void {
  for (const events of followed) events.close(); // a browser keeps six connections open
  followed.clear();
}

/**
 * Start long work, and follow it to its end. It is cancelled where `progress` is false: what was
 * asked meanwhile is shown in its place, and would have to wait for it.
 */
export async function follow<Result>(
  request: object,
  progress: (job: Job<Result>) => boolean,
): Promise<Job<Result>> {
  let last = await post<Job<Result>>("jobs", request);
  return new Promise((resolve, reject) => {
    const events = new EventSource(`/api/jobs/${last.id}/events`);
    followed.add(events);
    let failures = 0;
    events.onopen = () => {
      failures = 0;
    };
    events.onerror = () => {
      // The browser asks again by itself, unless it was refused: then the refusal has words.
      failures += 1;
      if (events.readyState === EventSource.CLOSED) get<Job<Result>>(`jobs/${last.id}`).then(resolve, reject);
      else if (failures > 1) progress({ ...last, offline: true }); // one end of a connection is none of the server
    };
    events.onmessage = (event: MessageEvent<string>) => {
      const job = JSON.parse(event.data) as Job<Result>;
      last = job;
      const isWanted = progress(job);
      const isOpen = job.state === "queued" || job.state === "running";
      if (isOpen && isWanted) return;
      events.close();
      followed.delete(events);
      if (isOpen) cancelJob(job.id);
      if (job.error !== null) reject(new ApiError(job.error));
      else resolve(job);
    };
  });
}
