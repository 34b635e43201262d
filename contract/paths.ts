/** Every path of both services, so that no route and no client spells one itself. */

/** Paths of the server, port 3100. `:id` stands for a path parameter. */
export const SERVER_PATHS = {
  health: "/health",
  ready: "/ready",
  metrics: "/metrics",
  registerDevice: "/api/devices/register",
  verifyDevice: "/api/devices/verify",
  refreshDevice: "/api/devices/refresh",
  devices: "/api/devices",
  currentDevice: "/api/devices/me",
  linkDevice: "/api/devices/link",
  deactivateDevice: "/api/devices/:id/deactivate",
  renameDevice: "/api/devices/:id/rename",
  session: "/api/session",
  sessionCodes: "/api/session/codes",
  events: "/api/events",
  status: "/api/status",
  account: "/api/account",
  accountSettings: "/api/account/settings",
  exportAccount: "/api/account/export",
  restore: "/api/restore",
  syncMessages: "/api/sync/messages",
  syncContacts: "/api/sync/contacts",
  syncDeletions: "/api/sync/deletions",
  syncHeartbeat: "/api/sync/heartbeat",
  syncStatus: "/api/sync/status",
  conversations: "/api/conversations",
  conversation: "/api/conversations/:id",
  conversationMessages: "/api/conversations/:id/messages",
  message: "/api/messages/:id",
  contacts: "/api/contacts",
  people: "/api/people",
  search: "/api/search",
  generateResponse: "/api/responses/generate",
  responses: "/api/responses",
  response: "/api/responses/:id",
  responseAction: "/api/responses/:id/action",
  cancelResponse: "/api/responses/:id/cancel",
  trainingSamples: "/api/training/samples",
  importTrainingSamples: "/api/training/samples/import",
  exportTrainingSamples: "/api/training/samples/export",
  trainingSample: "/api/training/samples/:id",
  startTraining: "/api/training/start",
  trainingJobs: "/api/training/jobs",
  trainingJob: "/api/training/jobs/:id",
  cancelTrainingJob: "/api/training/jobs/:id/cancel",
  trainingJobEvents: "/api/training/jobs/:id/events",
  accountModels: "/api/models",
  heldOutReplies: "/api/models/:adapterId/held-out",
  compareDrafts: "/api/models/:adapterId/compare",
  promoteAdapter: "/api/models/:adapterId/promote",
  rollBackAdapter: "/api/models/rollback",
} as const;

/** Paths of the ml service, port 8100. */
export const ML_PATHS = {
  health: "/health",
  ready: "/ready",
  metrics: "/metrics",
  generate: "/generate",
  generateAsync: "/generate/async",
  generateStatus: "/generate/status/:job_id",
  cancelGenerate: "/generate/cancel/:job_id",
  startTraining: "/training/start",
  trainingStatus: "/training/status/:job_id",
  trainingEvents: "/training/events/:job_id",
  cancelTraining: "/training/cancel/:job_id",
  reloadModel: "/model/reload",
  models: "/models",
  adapter: "/models/adapters/:id",
  exportAdapter: "/models/adapters/:id/export",
  adapterFile: "/models/adapters/:id/file",
  taintAdapter: "/models/adapters/:id/taint",
  cache: "/cache",
  evaluate: "/evaluate",
  chatCompletions: "/v1/chat/completions",
  completions: "/v1/completions",
  openAiModels: "/v1/models",
  openAiModel: "/v1/models/:model",
} as const;

/**
 * Fills the parameters of a path: `pathOf(SERVER_PATHS.response, { id })`.
 *
 * @throws TypeError when a parameter is missing
 */
export function pathOf(template: string, parameters: Record<string, string>): string {
  return template.replace(/:(\w+)/g, (_, name: string) => {
    const value = parameters[name];
    if (value === undefined) throw new TypeError(`The path ${template} needs a value for ${name}`);
    return encodeURIComponent(value);
  });
}
