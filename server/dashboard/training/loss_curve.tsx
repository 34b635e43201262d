/** The curve of a job's loss, drawn by uPlot. */
import { useEffect, useRef, useState } from "preact/hooks";
import type uPlot from "uplot";
import { STRINGS } from "../strings.ts";
import type { LossPoint } from "./job_watch.ts";

const { training: TEXT } = STRINGS;
const HEIGHT = 200;
/** A file of its own: who trains nothing need not load it. */
const CURVE_SCRIPT: string = "/curve.js";

type Plot = typeof uPlot;
let plotScript: Promise<Plot> | null = null;

function loadPlot(): Promise<Plot> {
  // deno-lint-ignore style/layers -- the browser loads it from the server, where no module of the tree is
  plotScript ??= import(CURVE_SCRIPT).then(({ default: plot }: { default: Plot }) => plot);
  return plotScript;
}

/** A colour of the page's style sheet, as it is in this light. */
function colourOf(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function dataOf(points: ReadonlyMap<number, LossPoint>): uPlot.AlignedData {
  const ordered = [...points].sort(([a], [b]) => a - b);
  return [
    ordered.map(([step]) => step),
    ordered.map(([, { loss }]) => loss),
    ordered.map(([, { heldOutLoss }]) => heldOutLoss),
  ];
}

function optionsOf(width: number): uPlot.Options {
  const [text, line] = [colourOf("--quiet"), colourOf("--line")];
  const axis = { stroke: text, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    scales: { x: { time: false } },
    axes: [axis, { ...axis, size: 56 }],
    series: [
      {},
      { stroke: colourOf("--accent"), width: 2, points: { show: false } },
      { stroke: colourOf("--alert"), width: 2, dash: [6, 4], points: { show: false } },
    ],
  };
}

/** The losses so far; a screen reader is given the last ones. */
export function LossCurve({ points }: { points: ReadonlyMap<number, LossPoint> }) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [Plot, setPlot] = useState<Plot | null>(null);
  useEffect(() => {
    // Without it the figures are still there in words.
    loadPlot().then((loaded) => setPlot(() => loaded), () => {});
  }, []);
  useEffect(() => {
    const { current } = box;
    if (current === null || Plot === null) return;
    const drawn = new Plot(optionsOf(current.clientWidth), dataOf(points), current);
    plot.current = drawn;
    const observer = new ResizeObserver(() => drawn.setSize({ width: current.clientWidth, height: HEIGHT }));
    observer.observe(current);
    return () => {
      observer.disconnect();
      drawn.destroy();
    };
  }, [Plot]);
  useEffect(() => plot.current?.setData(dataOf(points)), [points]);
  const last = [...points].sort(([a], [b]) => a - b).at(-1);
  return (
    <figure>
      <div
        ref={box}
        class="curve"
        role="img"
        aria-label={last === undefined ? TEXT.curve : TEXT.curveAt(last[0], last[1].loss)}
      />
      <figcaption class="quiet meta">
        <span class="key loss" aria-hidden="true" /> {TEXT.loss}{" "}
        <span class="key held-out" aria-hidden="true" /> {TEXT.heldOutLoss}
      </figcaption>
    </figure>
  );
}
