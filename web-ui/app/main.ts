/** The pages, by the address behind the hash. */

import { element } from "../viewer/dom.js";
import { type Named, get, leaveJobs } from "./api.js";
import { CohortPage } from "./cohort.js";
import { ComparePage } from "./compare.js";
import { ExplainPage } from "./explain.js";
import { JobsPage } from "./jobs.js";
import { ReviewPage } from "./review.js";
import { type StudyAbout, StudyPage } from "./study.js";
import css from "./style.css";

interface Page {
  readonly root: HTMLElement;
  start(): Promise<void>;
  stop(): void;
}

const EXPLAIN = "#/explain";
const COMPARE = "#/compare";
const COHORT = "#/cohort";
const REVIEW = "#/review";
const JOBS = "#/jobs";

function pageOf(hash: string): Page {
  if (hash.startsWith(COMPARE)) return new ComparePage();
  if (hash.startsWith(COHORT)) return new CohortPage();
  if (hash.startsWith(JOBS)) return new JobsPage();
  return hash.startsWith(REVIEW) ? new ReviewPage() : new ExplainPage();
}

function begin(): void {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  document.adoptedStyleSheets = [sheet];
  const app = document.getElementById("app")!;
  const links = element("nav", { "aria-label": "Pages" });
  const header = element("header", {}, element("h1", {}, "camlucida"), links, element("span", { class: "notice" }, "Research use only"));
  const content = element("main", { id: "content" });
  app.replaceChildren(header, content);
  let page: Page | null = null;

  const openStudy = (about: StudyAbout): void => {
    page = new StudyPage(about);
    content.replaceChildren(page.root);
    void page.start();
  };
  const open = (): void => {
    page?.stop();
    leaveJobs();
    page = pageOf(location.hash);
    content.replaceChildren(page.root);
    for (const link of links.querySelectorAll("a")) {
      const current = (location.hash || EXPLAIN).startsWith(link.hash);
      if (current) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    void page.start();
  };
  const openAll = (): void => {
    const jobs = element("a", { href: JOBS }, "Jobs");
    links.append(element("a", { href: EXPLAIN }, "Explain"), element("a", { href: COMPARE }, "Compare"), jobs);
    void Promise.all([get<Named[]>("runs"), get<Named[]>("films")]).then(
      ([runs, films]) => {
        if (runs.length > 0) {
          jobs.before(element("a", { href: COHORT }, "Cohort"), element("a", { href: REVIEW }, "Review"));
          if (films.length === 0 && location.hash === "") history.replaceState(null, "", COHORT);
        }
        open();
      },
      open,
    );
    addEventListener("hashchange", open);
  };
  void get<StudyAbout | null>("study").then(
    (study) => (study === null ? openAll() : openStudy(study)),
    openAll,
  );
}

begin();
