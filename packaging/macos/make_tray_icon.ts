/** Draws the menubar's icon and writes it, as a PNG in a module, to agent/menubar/tray_icon.ts. */
import { crc32, deflateSync } from "node:zlib";

/** 18 points at twice the pixels. macOS draws the icon in its own colour and looks at the alpha channel only. */
export const ICON_PIXELS = 36;
/** Each pixel's alpha is the share of this many times this many points that lie inside the shape. */
const SAMPLES = 8;

const MODULE = new URL("../../agent/menubar/tray_icon.ts", import.meta.url);
/** https://www.w3.org/TR/png-3/#5PNG-file-signature and §11.2.1: eight bits, greyscale with alpha. */
const PNG_SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const GREYSCALE_WITH_ALPHA = 4;
const LINE_WIDTH = 100;

interface Point {
  x: number;
  y: number;
}

function isInBubble({ x, y }: Point): boolean {
  const [left, top, right, bottom, radius] = [3, 5, 33, 27, 7];
  const dx = Math.max(left + radius - x, 0, x - (right - radius));
  const dy = Math.max(top + radius - y, 0, y - (bottom - radius));
  return dx * dx + dy * dy <= radius * radius;
}

/** The tip under the bubble: a triangle that points to the lower left. */
function isInTip({ x, y }: Point): boolean {
  const share = (y - 25) / 8;
  return share >= 0 && share <= 1 && x >= 9 + share && x <= 19 - 9 * share;
}

function isInDots({ x, y }: Point): boolean {
  return [11, 18, 25].some((centre) => (x - centre) ** 2 + (y - 16) ** 2 <= 2.3 ** 2);
}

function isInside(point: Point): boolean {
  return (isInBubble(point) || isInTip(point)) && !isInDots(point);
}

function alphaAt(column: number, row: number): number {
  let inside = 0;
  for (let sample = 0; sample < SAMPLES * SAMPLES; sample++) {
    const x = column + (sample % SAMPLES + 0.5) / SAMPLES;
    const y = row + (Math.floor(sample / SAMPLES) + 0.5) / SAMPLES;
    if (isInside({ x, y })) inside++;
  }
  return Math.round(inside / (SAMPLES * SAMPLES) * 255);
}

/** Rows of the image: a filter byte of 0, then black and alpha for each pixel. */
function scanlines(): Uint8Array {
  const bytesPerRow = 1 + ICON_PIXELS * 2;
  const bytes = new Uint8Array(bytesPerRow * ICON_PIXELS);
  for (let row = 0; row < ICON_PIXELS; row++) {
    for (let column = 0; column < ICON_PIXELS; column++) {
      bytes[row * bytesPerRow + 2 + column * 2] = alphaAt(column, row);
    }
  }
  return bytes;
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(data, 8);
  view.setUint32(8 + data.length, crc32(bytes.subarray(4, 8 + data.length)));
  return bytes;
}

function header(): Uint8Array {
  const bytes = new Uint8Array(13);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, ICON_PIXELS);
  view.setUint32(4, ICON_PIXELS);
  view.setUint8(8, 8);
  view.setUint8(9, GREYSCALE_WITH_ALPHA);
  return bytes;
}

/** The icon as a PNG. */
export function drawTrayIcon(): Uint8Array {
  const chunks = [
    chunk("IHDR", header()),
    chunk("IDAT", deflateSync(scanlines(), { level: 9 })),
    chunk("IEND", new Uint8Array()),
  ];
  return new Uint8Array([PNG_SIGNATURE, ...chunks].flatMap((bytes) => [...bytes]));
}

/** The module that holds the icon, as `deno fmt` leaves it. */
export function trayIconModule(png: Uint8Array): string {
  const lines = png.toBase64().match(new RegExp(`.{1,${LINE_WIDTH}}`, "g")) ?? [];
  return [
    "/** The menu bar icon. Written by packaging/macos/make_tray_icon.ts; change that instead. */",
    "",
    "const PNG_BASE64 =",
    ...lines.map((line, index) => `  "${line}"${index < lines.length - 1 ? " +" : ";"}`),
    "",
    "/** A PNG of 36×36 pixels, black with an alpha channel, for macOS to draw in its own colour. */",
    "export const TRAY_ICON: Uint8Array<ArrayBuffer> = Uint8Array.fromBase64(PNG_BASE64);",
    "",
  ].join("\n");
}

if (import.meta.main) await Deno.writeTextFile(MODULE, trayIconModule(drawTrayIcon()));
