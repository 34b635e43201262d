/** How far the probabilities that the server gives can be trusted, and how many of the likeliest something is done with. */
import type { Calibration as Figures } from "../../../contract/models.ts";
import { STRINGS } from "../strings.ts";
import { Coverage, percentOf, type SettingsControl } from "./settings.tsx";

const { training: { calibrations } } = STRINGS;

/** The setting that each probability helps to choose. */
const COVERAGES = { acceptance: "draftCoverage", trigger: "automaticCoverage" } as const;
type Kind = keyof typeof COVERAGES;

/** The reliability curve: on the diagonal, what was predicted is what happened. */
function Reliability({ kind, bins }: { kind: Kind } & Pick<Figures, "bins">) {
  const { reliability, bin, axes } = calibrations[kind];
  const points = bins.map(({ predicted, observed }) => ({ x: predicted * 100, y: 100 - observed * 100 }));
  const values = bins.map(({ predicted, observed }) => bin(percentOf(predicted), percentOf(observed)));
  return (
    <figure class="reliability">
      <svg viewBox="-4 -4 108 108" role="img" aria-label={`${reliability}: ${values.join("; ")}`}>
        <path class="frame" d="M0 0V100H100" />
        <path class="ideal" d="M0 100L100 0" />
        <polyline points={points.map(({ x, y }) => `${x},${y}`).join(" ")} />
        {points.map(({ x, y }, index) => <circle key={index} cx={x} cy={y} r={1.8} />)}
      </svg>
      <figcaption class="quiet meta">{axes}</figcaption>
    </figure>
  );
}

/** What the figure says, in words. */
function sentencesOf(kind: Kind, { labels, positives, ece, positivesAtHalfCoverage }: Figures): string[] {
  const { few, distance, easierHalf } = calibrations[kind];
  if (ece === null) return [few(labels)];
  const all = percentOf(positives / labels);
  return [
    distance(labels, percentOf(ece)),
    ...(positivesAtHalfCoverage === null ? [] : [easierHalf(percentOf(positivesAtHalfCoverage), all)]),
  ];
}

/** The calibration in a figure and in words, and the choice that it helps to make. */
export function Calibration(
  { kind, figures, settings }: { kind: Kind; figures: Figures; settings: SettingsControl },
) {
  const { title, meaning, coverage, coverageHint } = calibrations[kind];
  return (
    <section class="card" aria-label={title}>
      <h2>{title}</h2>
      <p class="quiet">{meaning}</p>
      {figures.bins.length > 0 && <Reliability kind={kind} bins={figures.bins} />}
      {sentencesOf(kind, figures).map((sentence) => <p key={sentence}>{sentence}</p>)}
      <Coverage settings={settings} of={COVERAGES[kind]} label={coverage} hint={coverageHint} />
    </section>
  );
}
