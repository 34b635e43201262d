/** A strict reader of XML property lists for tests: the elements that launchd and codesign read, nothing else. */
import assert from "node:assert/strict";

export type XmlPlistValue = string | number | boolean | XmlPlistValue[] | { [key: string]: XmlPlistValue };

const PREAMBLE =
  /^<\?xml version="1\.0" encoding="UTF-8"\?>\n<!DOCTYPE plist PUBLIC "-\/\/Apple\/\/DTD PLIST 1\.0\/\/EN" "http:\/\/www\.apple\.com\/DTDs\/PropertyList-1\.0\.dtd">\n<plist version="1\.0">([\s\S]*)<\/plist>\n$/;
/** An element's tag, or text between tags. */
const TOKEN = /<(\/?)([a-z]+)(\/?)>|([^<]+)/gy;
const ENTITIES: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

type Token = { tag: string } | { text: string };

function unescape(text: string): string {
  assert.doesNotMatch(text, /&(?!(?:amp|lt|gt|quot|apos);)/, "a bare ampersand is no XML");
  return text.replace(/&(\w+);/g, (_, name: string) => ENTITIES[name] ?? "");
}

function tokensOf(body: string): Token[] {
  const tokens: Token[] = [];
  let end = 0;
  const withoutComments = body.replace(/<!--[\s\S]*?-->/g, "");
  for (const match of withoutComments.matchAll(TOKEN)) {
    assert.equal(match.index, end, "every character belongs to a tag or a text");
    end += match[0].length;
    const [, slash, name, selfClosing, text] = match;
    if (text === undefined) tokens.push({ tag: `${slash}${name}${selfClosing}` });
    else if (text.trim() !== "") tokens.push({ text: unescape(text) });
  }
  assert.equal(end, withoutComments.length, "the whole document is read");
  return tokens;
}

class Reader {
  #at = 0;
  constructor(readonly tokens: readonly Token[]) {}

  get isAtEnd(): boolean {
    return this.#at === this.tokens.length;
  }

  #take(): Token {
    const token = this.tokens[this.#at++];
    assert.ok(token, "the document ends too early");
    return token;
  }

  #tag(expected?: string): string {
    const token = this.#take();
    assert.ok("tag" in token, "a tag must stand here");
    if (expected !== undefined) assert.equal(token.tag, expected);
    return token.tag;
  }

  #peek(): string | null {
    const token = this.tokens[this.#at];
    return token !== undefined && "tag" in token ? token.tag : null;
  }

  #text(closing: string): string {
    if (this.#peek() === closing) {
      this.#tag(closing);
      return "";
    }
    const token = this.#take();
    assert.ok("text" in token, "a text must stand here");
    this.#tag(closing);
    return token.text;
  }

  value(): XmlPlistValue {
    const tag = this.#tag();
    switch (tag) {
      case "true/":
        return true;
      case "false/":
        return false;
      case "string":
        return this.#text("/string");
      case "integer":
        return Number(this.#text("/integer"));
      case "array":
        return this.#array();
      case "dict":
        return this.#dict();
    }
    throw new assert.AssertionError({ message: `a property list has no <${tag}> here` });
  }

  #array(): XmlPlistValue[] {
    const items: XmlPlistValue[] = [];
    while (this.#peek() !== "/array") items.push(this.value());
    this.#tag("/array");
    return items;
  }

  #dict(): Record<string, XmlPlistValue> {
    const entries: Record<string, XmlPlistValue> = {};
    while (this.#peek() !== "/dict") {
      this.#tag("key");
      const key = this.#text("/key");
      assert.ok(!(key in entries), `the key ${key} stands twice`);
      entries[key] = this.value();
    }
    this.#tag("/dict");
    return entries;
  }
}

/** Reads a property list; throws an AssertionError for anything that is not exactly one. */
export function parseXmlPlist(text: string): XmlPlistValue {
  const body = PREAMBLE.exec(text)?.[1];
  assert.ok(body !== undefined, "a property list has its XML head and one <plist>");
  const reader = new Reader(tokensOf(body));
  const value = reader.value();
  assert.ok(reader.isAtEnd, "a property list holds one value");
  return value;
}
