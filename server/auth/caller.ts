/** Owns who a request comes from, as every route and service sees it. */
import type { DeviceScope } from "../../contract/devices.ts";
import type { ApiEnv } from "../../lib/http/app.ts";

/** An active device; all it may see belongs to its account. */
export interface Caller {
  readonly accountId: string;
  readonly deviceId: string;
  readonly scope: DeviceScope;
}

/** What the context of a request to the server carries. `caller` is set on every path that needs a token. */
export type ServerEnv = { Variables: ApiEnv["Variables"] & { caller: Caller } };
