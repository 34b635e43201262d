/**
 * Reads typedstreams with npm's `node-typedstream`, the independent oracle for the encoder and for the agent's decoder.
 * The package weighs 60 MB, so it is not in the import map, from which every first run would fetch it.
 *
 * node-typedstream 1.4.1 takes two of the four bytes of a 0x82 integer and then fails; the one method concerned is
 * completed here, so that texts of 64 KiB and more can be checked as well.
 */
import { Buffer } from "node:buffer";
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

interface IntegerReader {
  readHeadByte(head?: number): number;
  readExact(byteCount: number): Buffer;
  readInteger(signed: boolean, head?: number): number;
}

/** TAG_INTEGER_4 as the package reads it, a signed byte: 0x82. */
const TAG_INT32 = -126;

const prototype = TypedStreamReader.prototype as unknown as IntegerReader;
const readShortInteger = prototype.readInteger;

prototype.readInteger = function (this: IntegerReader, signed: boolean, head?: number): number {
  const first = this.readHeadByte(head);
  if (first !== TAG_INT32) return readShortInteger.call(this, signed, first);
  const bytes = this.readExact(4);
  return signed ? bytes.readInt32LE() : bytes.readUInt32LE();
};

/** The attributed string in `blob`, as node-typedstream sees it; throws where it cannot read it. */
export function readWithOracle(blob: Uint8Array): NSAttributedString {
  const buffer = Buffer.from(blob.buffer, blob.byteOffset, blob.byteLength);
  return Unarchiver.open(buffer, Unarchiver.BinaryDecoding.all).decodeSingleRoot() as NSAttributedString;
}
