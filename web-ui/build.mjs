// Builds what the wheel carries: node build.mjs [folder], by default src/camlucida/web/static.
// The same sources and versions give the same bytes, which a test compares.
import { build } from "esbuild";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2] ?? join(here, "../src/camlucida/web/static");

/** Bundles that stand beside each other: name of the built file → its entry. */
const bundles = {
  viewer: { entry: "viewer/index.ts", globalName: "camlucidaViewer" },
  app: { entry: "app/main.ts" },
};

const shared = {
  absWorkingDir: here,
  bundle: true,
  minify: true,
  charset: "utf8",
  target: ["es2022", "chrome111", "firefox113", "safari16.4"],
  legalComments: "none",
  loader: { ".css": "text" },
  logLevel: "warning",
};

for (const [name, { entry, globalName }] of Object.entries(bundles)) {
  if (!existsSync(join(here, entry))) continue;
  const named = globalName ? { globalName } : {};
  const outfile = join(out, `${name}.js`);
  await build({ ...shared, ...named, entryPoints: [entry], format: "iife", outfile });
}
