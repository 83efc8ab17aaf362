/** The pages, by the address behind the hash. */

import { element } from "../viewer/dom.js";
import { type Named, get } from "./api.js";
import { CohortPage } from "./cohort.js";
import { ComparePage } from "./compare.js";
import { ExplainPage } from "./explain.js";
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

function pageOf(hash: string): Page {
  if (hash.startsWith(COMPARE)) return new ComparePage();
  if (hash.startsWith(COHORT)) return new CohortPage();
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
    links.append(element("a", { href: EXPLAIN }, "Explain"), element("a", { href: COMPARE }, "Compare"));
    void Promise.all([get<Named[]>("runs"), get<Named[]>("films")]).then(
      ([runs, films]) => {
        if (runs.length > 0) {
          links.append(element("a", { href: COHORT }, "Cohort"), element("a", { href: REVIEW }, "Review"));
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
