/** The lint rule that holds each file to the layer rules: what it may import, and which globals it may use. */

import { dirname, join, normalize } from "node:path/posix";
import { fileURLToPath } from "node:url";
import {
  type Breach,
  judgeComputedImport,
  judgeGlobal,
  judgeImport,
  judgePackage,
  placeOf,
} from "./layer_rules.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replaceAll("\\", "/");

type Module = Deno.lint.Expression | Deno.lint.TypeNode | null | undefined;

/** A file imports what the rules of `layer_rules.ts` allow it, and nothing else. */
export const layers: Deno.lint.Rule = {
  create(context) {
    const file = context.filename.replaceAll("\\", "/").replace(ROOT, "");
    const report = (node: Deno.lint.Node, breach: Breach | undefined): void => {
      if (breach !== undefined) context.report({ node, message: `${breach.rule}: ${breach.why}` });
    };
    const checkModule = (node: Deno.lint.Node, module: Module): void => {
      if (module === null || module === undefined) return;
      const specifier = literalOf(module);
      if (specifier === undefined) return report(node, judgeComputedImport(file));
      const isRelative = /^\.{0,2}\//.test(specifier);
      report(
        node,
        isRelative
          ? judgeImport(file, normalize(join(dirname(file), specifier)))
          : judgePackage(file, specifier),
      );
    };
    return {
      Program(node) {
        if (placeOf(file) !== undefined) return;
        const message =
          "place: no layer rule names this folder; move the file, or name it in tools/lint/layer_rules.ts";
        context.report({ range: [node.range[0], node.range[0] + 1], message });
      },
      ImportDeclaration: (node) => checkModule(node.source, node.source),
      ExportAllDeclaration: (node) => checkModule(node.source, node.source),
      ExportNamedDeclaration: (node) => checkModule(node, node.source),
      ImportExpression: (node) => checkModule(node, node.source),
      TSImportType: (node) => checkModule(node, node.argument),
      MemberExpression(node) {
        const name = memberName(node);
        if (name !== undefined) report(node, judgeGlobal(file, name));
      },
    };
  },
};

/** The text of a string, template without a value, or literal type; undefined for what is made at run time. */
function literalOf(module: Deno.lint.Node): string | undefined {
  if (module.type === "TSLiteralType") return literalOf(module.literal);
  if (module.type === "Literal" && typeof module.value === "string") return module.value;
  if (module.type !== "TemplateLiteral" || module.expressions.length > 0) return undefined;
  return module.quasis[0]?.cooked;
}

/** `Deno.env` of `Deno.env.get(…)`, `Deno?.env` and `Deno["env"]`. */
function memberName({ object, property }: Deno.lint.MemberExpression): string | undefined {
  if (object.type !== "Identifier") return undefined;
  if (property.type === "Identifier") return `${object.name}.${property.name}`;
  return property.type === "Literal" ? `${object.name}.${property.value}` : undefined;
}
