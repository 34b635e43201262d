/** Lint rules about code: the size and parameters of functions, error messages, and how tests are written. */

import { isTestCode } from "./file_rules.ts";

/** The most lines a function may have, from its first to its closing brace; functions of tests may be longer. */
export const MAX_FUNCTION_LINES = 60;

const MAX_PARAMETERS = 3;

const TEST_NAME_WORDS = 3;

const BUILT_IN_ERRORS = new Set(["Error", "TypeError", "RangeError", "SyntaxError", "URIError", "EvalError"]);

type FunctionNode =
  | Deno.lint.FunctionDeclaration
  | Deno.lint.FunctionExpression
  | Deno.lint.ArrowFunctionExpression;

/** A function has at most 60 lines. */
export const maxFunctionLines: Deno.lint.Rule = {
  create(context) {
    if (isTestCode(context.filename)) return {};
    const check = (node: FunctionNode): void => {
      const lines = context.sourceCode.getText(node).split("\n").length;
      if (lines <= MAX_FUNCTION_LINES) return;
      const message = `Split the function: it has ${lines} lines, more than ${MAX_FUNCTION_LINES}`;
      context.report({ range: [node.range[0], node.range[0] + 1], message });
    };
    return { FunctionDeclaration: check, FunctionExpression: check, ArrowFunctionExpression: check };
  },
};

/** An exported function takes at most three parameters: two positional ones, then options or a last single value. */
export const maxParameters: Deno.lint.Rule = {
  create(context) {
    const check = (node: Deno.lint.FunctionDeclaration | Deno.lint.FunctionExpression | null): void => {
      const extra = node?.params[MAX_PARAMETERS];
      if (extra === undefined) return;
      const message = "Take at most three parameters: put what follows the second into an options object";
      context.report({ range: extra.range, message });
    };
    return {
      "ExportNamedDeclaration > FunctionDeclaration": check,
      "ExportDefaultDeclaration > FunctionDeclaration": check,
      "ExportNamedDeclaration > ClassDeclaration > ClassBody > MethodDefinition[accessibility!='private']"(
        node: Deno.lint.MethodDefinition,
      ) {
        if (node.key.type !== "PrivateIdentifier" && node.value.type === "FunctionExpression") {
          check(node.value);
        }
      },
    };
  },
};

/** A thrown error says what happened. */
export const errorMessage: Deno.lint.Rule = {
  create: (context) => ({
    NewExpression(node) {
      if (node.callee.type !== "Identifier" || !BUILT_IN_ERRORS.has(node.callee.name)) return;
      const [message] = node.arguments;
      if (message !== undefined && !(message.type === "Literal" && message.value === "")) return;
      context.report({
        node,
        message: `Say what happened and what to do in the ${node.callee.name}'s message`,
      });
    },
  }),
};

/** Every test runs: none is skipped, none runs alone. */
export const noSkippedTest: Deno.lint.Rule = {
  create(context) {
    const report = (node: Deno.lint.Node): void => {
      context.report({ node, message: "Run every test: remove ignore, skip and only" });
    };
    return {
      "MemberExpression[object.object.name='Deno'][object.property.name='test']"(
        node: Deno.lint.MemberExpression,
      ) {
        if (node.property.type === "Identifier" && /^(?:ignore|skip|only)$/.test(node.property.name)) {
          report(node);
        }
      },
      CallExpression(node) {
        if (!isDenoTest(node)) return;
        for (const argument of node.arguments) {
          if (argument.type !== "ObjectExpression") continue;
          argument.properties.filter(isIgnoreOrOnly).forEach(report);
        }
      },
    };
  },
};

/** A test's name is a sentence that says what holds. */
export const testName: Deno.lint.Rule = {
  create: (context) => ({
    CallExpression(node) {
      const [name] = node.arguments;
      if (!isDenoTest(node) || name?.type !== "Literal" || typeof name.value !== "string") return;
      if (name.value.trim().split(/\s+/).length >= TEST_NAME_WORDS) return;
      context.report({ node: name, message: "Name the test with a sentence that says what holds" });
    },
  }),
};

/** A test awaits an event or a condition, never a stretch of time. */
export const noSleepInTest: Deno.lint.Rule = {
  create(context) {
    if (!/_test\.tsx?$/.test(context.filename)) return {};
    return {
      // new Promise((resolve) => setTimeout(resolve, …)) awaited as it stands
      "AwaitExpression > NewExpression[callee.name='Promise'] > ArrowFunctionExpression > CallExpression"(
        node: Deno.lint.CallExpression,
      ) {
        if (node.callee.type !== "Identifier" || node.callee.name !== "setTimeout") return;
        context.report({ node, message: "Await the event or condition the test is about, not a time" });
      },
    };
  },
};

function isDenoTest({ callee }: Deno.lint.CallExpression): boolean {
  return callee.type === "MemberExpression" &&
    callee.object.type === "Identifier" && callee.object.name === "Deno" &&
    callee.property.type === "Identifier" && callee.property.name === "test";
}

function isIgnoreOrOnly(property: Deno.lint.Property | Deno.lint.SpreadElement): boolean {
  return property.type === "Property" && property.key.type === "Identifier" &&
    (property.key.name === "ignore" || property.key.name === "only");
}
