/** The lint plugin of this repository: its style rules, which `deno lint` runs beside its own. */

import {
  errorMessage,
  maxFunctionLines,
  maxParameters,
  noSkippedTest,
  noSleepInTest,
  testName,
} from "./code_rules.ts";
import { language } from "./language_rule.ts";
import { layers } from "./layer_rule.ts";
import { explainedIgnore, fileHeader, fileName, maxFileLines, noNotes } from "./file_rules.ts";

const plugin: Deno.lint.Plugin = {
  name: "style",
  rules: {
    "error-message": errorMessage,
    "explained-ignore": explainedIgnore,
    "file-header": fileHeader,
    "file-name": fileName,
    "language": language,
    "layers": layers,
    "max-file-lines": maxFileLines,
    "max-function-lines": maxFunctionLines,
    "max-parameters": maxParameters,
    "no-notes": noNotes,
    "no-skipped-test": noSkippedTest,
    "no-sleep-in-test": noSleepInTest,
    "test-name": testName,
  },
};

export default plugin;
