/** How far the confidence of drafts can be trusted, and which share of them is suggested. */
import { accountSettingsSchema, type ChangeAccountSettingsRequest } from "../../../contract/account.ts";
import type { Calibration } from "../../../contract/models.ts";
import { SERVER_PATHS } from "../../../contract/paths.ts";
import { request } from "../client/api.ts";
import { useLoaded, useSteps } from "../client/loading.ts";
import { STRINGS } from "../strings.ts";

const { training: TEXT } = STRINGS;
/** Shares of the drafts to choose from, as the API has them. */
const COVERAGES = [1, 0.75, 0.5, 0.25, 0];

const percentOf = (share: number) => Math.round(share * 100);

/** The reliability curve: on the diagonal, what was predicted is what happened. */
function Reliability({ bins }: Pick<Calibration, "bins">) {
  const points = bins.map(({ predicted, observed }) => ({ x: predicted * 100, y: 100 - observed * 100 }));
  const values = bins.map(({ predicted, observed }) => TEXT.bin(percentOf(predicted), percentOf(observed)));
  return (
    <figure class="reliability">
      <svg viewBox="-4 -4 108 108" role="img" aria-label={`${TEXT.reliability}: ${values.join("; ")}`}>
        <path class="frame" d="M0 0V100H100" />
        <path class="ideal" d="M0 100L100 0" />
        <polyline points={points.map(({ x, y }) => `${x},${y}`).join(" ")} />
        {points.map(({ x, y }, index) => <circle key={index} cx={x} cy={y} r={1.8} />)}
      </svg>
      <figcaption class="quiet meta">{TEXT.reliabilityAxes}</figcaption>
    </figure>
  );
}

/** What the figure says, in words. */
function sentencesOf({ labels, positives, ece, positivesAtHalfCoverage }: Calibration): string[] {
  if (ece === null) return [TEXT.fewOutcomes(labels)];
  const all = percentOf(positives / labels);
  return [
    TEXT.calibration(labels, percentOf(ece)),
    ...(positivesAtHalfCoverage === null ? [] : [TEXT.easierHalf(percentOf(positivesAtHalfCoverage), all)]),
  ];
}

function Coverage() {
  const { value, error, reload } = useLoaded(() =>
    request(`GET ${SERVER_PATHS.accountSettings}`, { schema: accountSettingsSchema })
  );
  const steps = useSteps();
  if (value === null) return error === null ? null : <p role="alert">{error}</p>;
  const { draftCoverage } = value;
  const change = (body: ChangeAccountSettingsRequest) =>
    steps.run(async () => {
      await request(`PUT ${SERVER_PATHS.accountSettings}`, { schema: accountSettingsSchema, body });
      await reload();
    });
  return (
    <>
      <label>
        {TEXT.coverage}
        <select
          disabled={steps.isBusy}
          value={draftCoverage}
          onChange={(event) => change({ draftCoverage: Number(event.currentTarget.value) })}
        >
          {[...new Set([...COVERAGES, draftCoverage])].map((share) => (
            <option key={share} value={share}>{TEXT.coverages[share] ?? TEXT.share(percentOf(share))}</option>
          ))}
        </select>
      </label>
      <p class="quiet">{TEXT.coverageHint}</p>
      {steps.error !== null && <p role="alert">{steps.error}</p>}
    </>
  );
}

/** The calibration in a figure and in words, and the choice that it helps to make. */
export function Acceptance({ calibration }: { calibration: Calibration }) {
  return (
    <section class="card" aria-label={TEXT.acceptance}>
      <h2>{TEXT.acceptance}</h2>
      <p class="quiet">{STRINGS.draft.meaningOfConfidence}</p>
      {calibration.bins.length > 0 && <Reliability bins={calibration.bins} />}
      {sentencesOf(calibration).map((sentence) => <p key={sentence}>{sentence}</p>)}
      <Coverage />
    </section>
  );
}
