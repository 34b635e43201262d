/** What the probe showed of each adapter, the last time it was loaded, as the wire has it. */
import type { AdapterProof } from "../../contract/ml.ts";
import { ApiError } from "../../lib/errors.ts";
import type { AdapterProof as Proof } from "../engine/adapter_probe.ts";
import type { AdapterFile, Generation } from "../engine/engine.ts";
import type { AdapterRegistry } from "../models/adapter_registry.ts";

/** How many `/health` lists. */
const LISTED = 16;

function wireProofOf({ id, sha256 }: Pick<AdapterFile, "id" | "sha256">, proof: Proof | null): AdapterProof {
  if (proof === null) return { id, sha256, probe: "refused", shift: null, expected_shift: null };
  return { id, sha256, probe: proof.probe, shift: proof.shift, expected_shift: proof.expectedShift };
}

/** The proofs of adapters: of those that were asked to answer since the service started, and from their publication. */
export class AdapterProofs {
  readonly #registry: Pick<AdapterRegistry, "get">;
  /** By adapter id, the latest last. */
  readonly #proofs = new Map<string, AdapterProof>();

  constructor(registry: Pick<AdapterRegistry, "get">) {
    this.#registry = registry;
  }

  /** The latest proof of an adapter; null for one of an earlier version that was not loaded yet. */
  get(adapterId: string): AdapterProof | null {
    const manifest = this.#registry.get(adapterId);
    if (manifest === undefined) return null;
    return this.#proofs.get(adapterId) ?? (manifest.proof && wireProofOf(manifest, manifest.proof));
  }

  /** The latest first, of those that were asked to answer. */
  recent(): AdapterProof[] {
    const isThere = ({ id }: AdapterProof) => this.#registry.get(id) !== undefined;
    return [...this.#proofs.values()].filter(isThere).reverse().slice(0, LISTED);
  }

  /** Generates with an adapter, or without one, and notes what the probe showed. */
  async watch(adapter: AdapterFile | undefined, generate: () => Promise<Generation>): Promise<Generation> {
    try {
      const generation = await generate();
      if (generation.adapterProof !== undefined) this.#note(adapter, generation.adapterProof);
      return generation;
    } catch (error) {
      if (error instanceof ApiError && error.code === "adapter_unproven") this.#note(adapter, null);
      throw error;
    }
  }

  #note(adapter: AdapterFile | undefined, proof: Proof | null): void {
    if (adapter === undefined) return;
    this.#proofs.delete(adapter.id);
    this.#proofs.set(adapter.id, wireProofOf(adapter, proof));
  }
}
