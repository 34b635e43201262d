/** Deleting a person by one of their addresses: with nobody else, or only known from groups. */
import { useState } from "preact/hooks";
import type { Deletion } from "../../../contract/conversations.ts";
import { SERVER_PATHS } from "../../../contract/paths.ts";
import { MAX_ADDRESS_LENGTH } from "../../../contract/sync.ts";
import { Deleting } from "../deleting.tsx";
import { STRINGS } from "../strings.ts";

const { privacy: TEXT } = STRINGS;

/** The button that shows what would go with a person, then deletes them. */
export function DeletePerson(
  { address, onGone }: { address: string; onGone: (deletion: Deletion) => void },
) {
  return (
    <Deleting
      path={SERVER_PATHS.people}
      address={address}
      label={TEXT.deletePerson}
      confirm={TEXT.confirmPerson}
      onGone={onGone}
    />
  );
}

/** Takes the address of somebody who may have no conversation of their own. */
export function Person() {
  const [address, setAddress] = useState("");
  const [gone, setGone] = useState<Deletion | null>(null);
  const change = (address: string) => {
    setAddress(address);
    setGone(null);
  };
  return (
    <section class="card" aria-label={TEXT.person}>
      <h2>{TEXT.person}</h2>
      <p class="quiet">{TEXT.personHint}</p>
      <label>
        {TEXT.address}
        <input
          autoComplete="off"
          maxLength={MAX_ADDRESS_LENGTH}
          value={address}
          onInput={(event) => change(event.currentTarget.value)}
        />
      </label>
      {gone === null
        ? <DeletePerson key={address} address={address.trim()} onGone={setGone} />
        : <p role="status">{TEXT.gone(gone)}</p>}
    </section>
  );
}
