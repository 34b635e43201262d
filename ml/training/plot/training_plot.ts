/** Draws a job's `plot.svg`: training loss, held-out loss, the losses they are compared with, and the learning rate. */
import { join } from "node:path";
import { writeFileAtomically } from "../../../lib/files.ts";
import { lossRange, type Point, type Scale, scaleOf, type TrainingCurves } from "./training_curves.ts";

export const PLOT_FILE = "plot.svg";

const WIDTH = 760;
const HEIGHT = 460;
const LEFT = 64;
const RIGHT = 24;
const LOSS_PANEL = { top: 56, bottom: 300 };
const RATE_PANEL = { top: 340, bottom: 410 };
/** Room above and below the curves, as a share of their range. */
const MARGIN_SHARE = 0.06;
/** Dark enough on white, and distinguishable for red-green colour-blind people. */
const COLOURS = {
  loss: "#2b6cb0",
  heldOut: "#c2410c",
  base: "#4b5563",
  examples: "#7e22ce",
  rate: "#0f766e",
};

type Panel = typeof LOSS_PANEL;

function round(value: number): string {
  return value.toFixed(1);
}

function line(points: readonly Point[], options: { x: Scale; y: Scale; style: string }): string {
  const { x, y, style } = options;
  const places = points.map(({ step, value }) => `${round(x.at(step))},${round(y.at(value))}`);
  return places.length > 1 ? `<polyline points="${places.join(" ")}" fill="none" ${style}/>` : "";
}

function dots(points: readonly Point[], options: { x: Scale; y: Scale; colour: string }): string {
  const { x, y, colour } = options;
  return points.map(({ step, value }) =>
    `<circle cx="${round(x.at(step))}" cy="${round(y.at(value))}" r="3.5" fill="${colour}"/>`
  ).join("");
}

function grid(panel: Panel, options: { y: Scale; text: (value: number) => string }): string {
  const lines = options.y.ticks.map((value) => {
    const at = round(options.y.at(value));
    return `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}" stroke="#e5e7eb"/>` +
      `<text x="${LEFT - 8}" y="${at}" text-anchor="end" dominant-baseline="middle">${
        options.text(value)
      }</text>`;
  });
  const { top, bottom } = panel;
  return `${lines.join("")}<path d="M${LEFT} ${top}V${bottom}H${
    WIDTH - RIGHT
  }" fill="none" stroke="#9ca3af"/>`;
}

/** A loss that the held-out curve is compared with, as a dashed line across the plot. */
function level(value: number | null, options: { y: Scale; colour: string }): string {
  if (value === null) return "";
  const at = round(options.y.at(value));
  return `<line x1="${LEFT}" x2="${
    WIDTH - RIGHT
  }" y1="${at}" y2="${at}" stroke="${options.colour}" stroke-dasharray="6 4"/>`;
}

function legend({ baseLoss, examplesLoss, heldOut }: TrainingCurves): string {
  const lowest = heldOut.slice(1).reduce((low, { value }) => Math.min(low, value), Infinity);
  const entries: [string, string][] = [["training", COLOURS.loss]];
  if (Number.isFinite(lowest)) entries.push([`held out ${lowest.toFixed(3)}`, COLOURS.heldOut]);
  if (baseLoss !== null) entries.push([`base ${baseLoss.toFixed(3)}`, COLOURS.base]);
  if (examplesLoss !== null) entries.push([`with examples ${examplesLoss.toFixed(3)}`, COLOURS.examples]);
  return entries.map(([text, colour], index) => {
    const at = LEFT + index * 165;
    return `<rect x="${at}" y="32" width="14" height="4" fill="${colour}"/><text x="${
      at + 20
    }" y="38">${text}</text>`;
  }).join("");
}

function stepAxis(x: Scale): string {
  return x.ticks.map((step) =>
    `<text x="${round(x.at(step))}" y="${RATE_PANEL.bottom + 18}" text-anchor="middle">${step}</text>`
  ).join("") + `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 12}" text-anchor="middle">step</text>`;
}

/** Draws a training as an SVG document that contains figures only. */
export function trainingPlot(curves: TrainingCurves): string {
  const [low, high] = lossRange(curves);
  const room = (high - low) * MARGIN_SHARE;
  const x = scaleOf([0, Math.max(1, curves.steps)], { from: LEFT, to: WIDTH - RIGHT, ticks: 10 });
  const y = scaleOf([low - room, high + room], { from: LOSS_PANEL.bottom, to: LOSS_PANEL.top, ticks: 6 });
  const peak = curves.learningRate.reduce((most, { value }) => Math.max(most, value), 0);
  const rate = scaleOf([0, peak || 1], { from: RATE_PANEL.bottom, to: RATE_PANEL.top, ticks: 2 });
  const parts = [
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    `<text x="${LEFT}" y="20" font-size="14" font-weight="600">Loss per token</text>`,
    `<clipPath id="losses"><rect x="${LEFT}" y="${LOSS_PANEL.top}" width="${WIDTH - LEFT - RIGHT}" height="${
      LOSS_PANEL.bottom - LOSS_PANEL.top
    }"/></clipPath>`,
    legend(curves),
    grid(LOSS_PANEL, { y, text: String }),
    level(curves.baseLoss, { y, colour: COLOURS.base }),
    level(curves.examplesLoss, { y, colour: COLOURS.examples }),
    '<g clip-path="url(#losses)">',
    line(curves.loss, { x, y, style: `stroke="${COLOURS.loss}" stroke-opacity="0.25"` }),
    line(curves.smoothLoss, { x, y, style: `stroke="${COLOURS.loss}" stroke-width="2"` }),
    "</g>",
    line(curves.heldOut, { x, y, style: `stroke="${COLOURS.heldOut}" stroke-width="2"` }),
    dots(curves.heldOut, { x, y, colour: COLOURS.heldOut }),
    `<text x="${LEFT}" y="${RATE_PANEL.top - 10}">Learning rate</text>`,
    grid(RATE_PANEL, { y: rate, text: (value) => value === 0 ? "0" : value.toExponential(0) }),
    line(curves.learningRate, { x, y: rate, style: `stroke="${COLOURS.rate}" stroke-width="2"` }),
    stepAxis(x),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" ` +
    `font-family="system-ui, sans-serif" font-size="11" fill="#111827">${parts.join("\n")}</svg>\n`;
}

/** Writes the plot into a job's folder. */
export async function writePlot(folder: string, curves: TrainingCurves): Promise<void> {
  await writeFileAtomically(join(folder, PLOT_FILE), trainingPlot(curves));
}
