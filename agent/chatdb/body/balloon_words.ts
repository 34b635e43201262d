/** Reads the words that an app's balloon shows: a poll, a game, a link whose row has no text. */
import { decodePlist, PlistUid, type PlistValue } from "./binary_plist.ts";

/** What a poll's address begins with; base64 of JSON follows. */
const DATA_URL = /^data:[^,]*,([A-Za-z0-9+/_=%-]+)/;
/** Where MSMessageTemplateLayout keeps its words, from the top of the balloon to its bottom. */
const CAPTIONS = [
  "image-title",
  "image-subtitle",
  "caption",
  "subcaption",
  "secondary-subcaption",
  "tertiary-subcaption",
];
/** Lists and texts nest this deep at most in a balloon. */
const MAX_DEPTH = 8;

/** A value of a keyed archive: references resolved, `$null` is null, an object is its fields. */
type Unarchived = null | boolean | number | string | Uint8Array | Unarchived[] | Map<string, Unarchived>;

/**
 * The words of a balloon, lines separated; null for none, and for a payload that cannot be read.
 *
 * @param payload `message.payload_data`, an archive of NSKeyedArchiver
 */
export function balloonWords(payload: Uint8Array): string | null {
  const archive = decodePlist(payload);
  const objects = archive instanceof Map ? archive.get("$objects") : null;
  const top = archive instanceof Map ? archive.get("$top") : null;
  if (!Array.isArray(objects) || !(top instanceof Map)) return null;
  const root = unarchive(top.get("root") ?? null, { objects, depth: 0 });
  if (!(root instanceof Map)) return null;
  const link = linkOf(root.get("richLinkMetadata"));
  return link ?? pollWords(textOf(root.get("URL"))) ?? captionsOf(root);
}

interface Archive {
  objects: readonly PlistValue[];
  depth: number;
}

function unarchive(value: PlistValue, { objects, depth }: Archive): Unarchived {
  if (depth > MAX_DEPTH) return null;
  const next = (inner: PlistValue | undefined) => unarchive(inner ?? null, { objects, depth: depth + 1 });
  if (value instanceof PlistUid) {
    const object = objects[value.index] ?? null;
    return object === "$null" ? null : next(object);
  }
  if (Array.isArray(value)) return value.map(next);
  if (!(value instanceof Map)) return value as Exclude<PlistValue, PlistUid | PlistValue[]> as Unarchived;
  const [keys, contents] = [value.get("NS.keys"), value.get("NS.objects")];
  if (Array.isArray(keys) && Array.isArray(contents)) {
    return new Map(keys.map((key, index) => [String(next(key)), next(contents[index])]));
  }
  for (const plain of ["NS.string", "NS.relative"]) if (value.has(plain)) return next(value.get(plain));
  if (Array.isArray(contents)) return contents.map(next);
  return new Map([...value].filter(([key]) => key !== "$class").map(([key, inner]) => [key, next(inner)]));
}

function textOf(value: Unarchived | undefined): string | null {
  return typeof value === "string" && value.trim() !== "" ? value.trim() : null;
}

/** The address of a link's preview (LPLinkMetadata), as it was written where that is known. */
function linkOf(metadata: Unarchived | undefined): string | null {
  return metadata instanceof Map ? textOf(metadata.get("originalURL")) ?? textOf(metadata.get("URL")) : null;
}

/** A poll's question and its choices, each on a line. */
function pollWords(url: string | null): string | null {
  const encoded = DATA_URL.exec(url ?? "")?.[1];
  if (encoded === undefined) return null;
  try {
    const item = recordOf(recordOf(JSON.parse(decodeBase64(decodeURIComponent(encoded)))).item);
    const options: unknown[] = Array.isArray(item.orderedPollOptions) ? item.orderedPollOptions : [];
    const lines = [
      item.title,
      ...options.map((option) => recordOf(option).text ?? recordOf(option).attributedText),
    ];
    return lines.filter((line) => typeof line === "string" && line.trim() !== "").join("\n") || null;
  } catch {
    return null;
  }
}

function decodeBase64(text: string): string {
  const bytes = Uint8Array.from(
    atob(text.replaceAll("-", "+").replaceAll("_", "/")),
    (char) => char.charCodeAt(0),
  );
  return new TextDecoder().decode(bytes);
}

function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
}

/** The captions of a balloon, else the text that apps give for devices without them. */
function captionsOf(root: Map<string, Unarchived>): string | null {
  const info = root.get("userInfo");
  const captions = info instanceof Map ? CAPTIONS.map((name) => textOf(info.get(name))) : [];
  const lines = [...new Set(captions.filter((line) => line !== null))];
  return lines.length > 0 ? lines.join("\n") : textOf(root.get("ldtext"));
}
