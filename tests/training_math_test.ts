/** Checks that docs/training-math.md names files, functions and tests that exist. */
import assert from "node:assert/strict";
import { projectPath } from "../tools/service_process.ts";

const page = Deno.readTextFileSync(projectPath("docs/training-math.md"));

/** All source of training, which holds the functions and the tests that the page names. */
const source = [...sourcesIn("ml/training"), ...sourcesIn("tests/suites/training")].join("\n");

function sourcesIn(folder: string): string[] {
  return [...Deno.readDirSync(projectPath(folder))].flatMap(({ name, isDirectory }) => {
    const path = `${folder}/${name}`;
    if (isDirectory) return sourcesIn(path);
    return name.endsWith(".ts") ? [Deno.readTextFileSync(projectPath(path))] : [];
  });
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(projectPath(path)).isFile;
  } catch {
    return false;
  }
}

Deno.test("every file that the page on training's mathematics names exists", () => {
  const paths = [...page.matchAll(/`([\w/]+\.ts)`/g)].map(([, path = ""]) => path);
  assert.ok(paths.length > 20);
  const folders = ["", "ml/training/", "ml/training/model/"];
  for (const path of paths) assert.ok(folders.some((folder) => isFile(folder + path)), path);
});

Deno.test("every test that the page on training's mathematics quotes exists", () => {
  const names = [...page.matchAll(/"([a-z][^"]{25,})"/g)].map(([, name = ""]) => name.replaceAll("\n", " "));
  assert.ok(names.length > 10);
  for (const name of names) assert.ok(source.includes(name.replaceAll(/ {2,}/g, " ")), name);
});

Deno.test("every function that the page on training's mathematics names exists", () => {
  const members = [
    ...page.matchAll(/`(LayerGraph|ModelGraph|Attention|HeadLayout|LoraProducts|AdapterState)\.(#?\w+)`/g),
  ];
  assert.ok(members.length > 30);
  for (const [, name = "", member = ""] of members) {
    assert.ok(
      source.includes(`class ${name}`) && source.includes(`  ${member}(`) || source.includes(` ${member}(`),
      member,
    );
  }
});
