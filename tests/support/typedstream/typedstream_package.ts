/**
 * Owns loading npm's `node-typedstream`, the independent reader that tests and benches compare with.
 *
 * Its package weighs 60 MB, so it is not in the import map, from which every first run would fetch it.
 */
import type { Buffer } from "node:buffer";
import denoJson from "../../../deno.json" with { type: "json" };

/** A decoded attributed string: its text, and what holds for each run of UTF-16 units. */
export interface NSAttributedString {
  string: string;
  runs: { range: number[]; attributes: Record<string, unknown> }[];
}

/** The part of the package that is used here. */
interface TypedstreamPackage {
  TypedStreamReader: { prototype: object };
  Unarchiver: {
    open(buffer: Buffer, binaryDecoding?: number): { decodeSingleRoot(): unknown; decodeAll(): unknown[] };
    BinaryDecoding: { all: number };
  };
}

export const { TypedStreamReader, Unarchiver } = await import(
  denoJson.onDemand.typedstreamOracle
) as TypedstreamPackage;
