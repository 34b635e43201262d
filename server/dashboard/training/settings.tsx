/** The account's settings, as far as the page of training shows them. */
import {
  type AccountSettings,
  accountSettingsSchema,
  type ChangeAccountSettingsRequest,
} from "../../../contract/account.ts";
import { SERVER_PATHS } from "../../../contract/paths.ts";
import { request } from "../client/api.ts";
import { useLoaded, useSteps } from "../client/loading.ts";
import { STRINGS } from "../strings.ts";

const { training: TEXT } = STRINGS;
/** Shares to choose from; the API takes any. */
const COVERAGES = [1, 0.75, 0.5, 0.25, 0];

/** The settings once they were read, and how one is changed. */
export interface SettingsControl {
  readonly values: AccountSettings | null;
  readonly error: string | null;
  readonly isBusy: boolean;
  readonly change: (change: ChangeAccountSettingsRequest) => void;
}

/** Reads the settings. */
export function useSettings(): SettingsControl {
  const { value, error, reload } = useLoaded(() =>
    request(`GET ${SERVER_PATHS.accountSettings}`, { schema: accountSettingsSchema })
  );
  const steps = useSteps();
  const change = (body: ChangeAccountSettingsRequest) =>
    steps.run(async () => {
      await request(`PUT ${SERVER_PATHS.accountSettings}`, { schema: accountSettingsSchema, body });
      await reload();
    });
  return { values: value, error: steps.error ?? error, isBusy: steps.isBusy, change };
}

/** A share in percent. */
export function percentOf(share: number): number {
  return Math.round(share * 100);
}

/** Chooses the share of what is likeliest that something is done with. */
export function Coverage(
  { settings: { values, isBusy, change }, of, label, hint }: {
    settings: SettingsControl;
    of: "draftCoverage" | "automaticCoverage";
    label: string;
    hint: string;
  },
) {
  if (values === null) return null;
  const value = values[of];
  return (
    <>
      <label>
        {label}
        <select
          disabled={isBusy}
          value={value}
          onChange={(event) => change({ [of]: Number(event.currentTarget.value) })}
        >
          {[...new Set([...COVERAGES, value])].map((share) => (
            <option key={share} value={share}>{TEXT.coverages[share] ?? TEXT.share(percentOf(share))}</option>
          ))}
        </select>
      </label>
      <p class="quiet">{hint}</p>
    </>
  );
}

/** Chooses whether trainings learn from what was sent in place of a draft. */
export function LearnFromSent({ settings: { values, isBusy, change } }: { settings: SettingsControl }) {
  if (values === null) return null;
  return (
    <label class="check">
      <input
        type="checkbox"
        disabled={isBusy}
        checked={values.learnFromSent}
        onChange={(event) => change({ learnFromSent: event.currentTarget.checked })}
      />
      {TEXT.learnFromSent}
    </label>
  );
}
