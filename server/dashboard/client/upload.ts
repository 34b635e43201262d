/** Sends a file, and says how far it is. */
import type * as z from "zod";
import { STRINGS } from "../strings.ts";
import { errorOf, parsed, RequestError } from "./api.ts";

export interface UploadOptions<Schema extends z.ZodType> {
  readonly schema: Schema;
  readonly file: Blob;
  readonly headers: Readonly<Record<string, string>>;
  /** Given the share of the file that was sent, again and again. */
  readonly onProgress: (share: number) => void;
}

/**
 * Sends a file and parses the answer. By XMLHttpRequest, since `fetch` does not say how far it is.
 *
 * @throws RequestError with a sentence
 */
export function upload<Schema extends z.ZodType>(
  path: string,
  { schema, file, headers, onProgress }: UploadOptions<Schema>,
): Promise<z.output<Schema>> {
  const request = new XMLHttpRequest();
  const answered = new Promise<z.output<Schema>>((resolve, reject) => {
    request.onerror = () => reject(new RequestError(STRINGS.unreachable));
    request.onload = () => {
      try {
        if (request.status !== 200) throw errorOf(request.response);
        resolve(parsed(schema, request.response));
      } catch (error) {
        reject(error);
      }
    };
  });
  request.upload.onprogress = ({ loaded, total }) => onProgress(loaded / total);
  request.open("POST", path);
  request.responseType = "json";
  for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
  request.send(file);
  return answered;
}
