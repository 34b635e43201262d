/** Owns reading a stream of bytes line by line. */

/** The lines of a stream of UTF-8, without their line breaks; cancels the stream when its reader stops early. */
export async function* textLinesOf(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split(/\r?\n/);
    rest = lines.pop() ?? "";
    yield* lines;
  }
  if (rest !== "") yield rest;
}
