/** Draws reliability curves as an SVG: predicted probability against the share that happened. */
import type { ReliabilityBin } from "../../lib/statistics/reliability.ts";

const SIZE = 360;
const MARGIN = 48;
const COLOURS = ["#b45309", "#2563eb", "#15803d"];

/** From 0 to 1, left to right or bottom to top. */
function x(value: number): string {
  return (MARGIN + value * SIZE).toFixed(1);
}

function y(value: number): string {
  return (MARGIN / 2 + (1 - value) * SIZE).toFixed(1);
}

function axes(): string[] {
  const ticks = [0, 0.25, 0.5, 0.75, 1].flatMap((value) => [
    `<text x="${x(value)}" y="${Number(y(0)) + 18}" text-anchor="middle">${value}</text>`,
    `<text x="${Number(x(0)) - 8}" y="${Number(y(value)) + 4}" text-anchor="end">${value}</text>`,
  ]);
  return [
    `<rect x="${x(0)}" y="${y(1)}" width="${SIZE}" height="${SIZE}" fill="none" stroke="#999"/>`,
    `<path d="M${x(0)} ${y(0)}L${x(1)} ${y(1)}" stroke="#999" stroke-dasharray="4 4"/>`,
    ...ticks,
    `<text x="${x(0.5)}" y="${Number(y(0)) + 38}" text-anchor="middle">predicted</text>`,
    `<text transform="translate(14 ${y(0.5)}) rotate(-90)" text-anchor="middle">sent</text>`,
  ];
}

/** The curve with a dot for each bin, as large as its count. */
function curve(name: string, bins: readonly ReliabilityBin[], index: number): string[] {
  const colour = COLOURS[index % COLOURS.length] ?? "";
  const points = bins.map(({ predicted, observed }) => `${x(predicted)} ${y(observed)}`);
  return [
    `<path d="M${points.join("L")}" fill="none" stroke="${colour}" stroke-width="2"/>`,
    ...bins.map(({ predicted, observed, count }) =>
      `<circle cx="${x(predicted)}" cy="${y(observed)}" r="${
        Math.sqrt(count / 4).toFixed(1)
      }" fill="${colour}"/>`
    ),
    `<text x="${Number(x(0)) + 10}" y="${Number(y(1)) + 20 + 18 * index}" fill="${colour}">${name}</text>`,
  ];
}

/** A square plot of some curves by their names; the diagonal is perfect. */
export function reliabilityPlot(curves: Readonly<Record<string, readonly ReliabilityBin[]>>): string {
  const [width, height] = [SIZE + 1.5 * MARGIN, SIZE + 1.5 * MARGIN];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
    `font-family="sans-serif" font-size="13" fill="#333">`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    ...axes(),
    ...Object.entries(curves).flatMap(([name, bins], index) => curve(name, bins, index)),
    `</svg>\n`,
  ].join("\n");
}
