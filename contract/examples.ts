/** Examples of bodies and answers in the OpenAPI documents, by the name of their schema. Both services' names are here. */

const CONVERSATION = "0190a5f0-0000-7000-8000-000000000001";
const MESSAGE = "0190a5f0-0000-7000-8000-000000000002";
const RESPONSE = "0190a5f0-0000-7000-8000-000000000003";
const SAMPLE = "0190a5f0-0000-7000-8000-000000000004";
const JOB = "0190a5f0-0000-7000-8000-000000000005";
const DEVICE = "0190a5f0-0000-7000-8000-000000000006";
const SENDER = "+12025550143";
const SENT_AT = "2026-01-01T12:00:00.000Z";
const SOON_AFTER = "2026-01-01T12:00:02.000Z";
const PAGE = { total: 1, page: 1, pageSize: 20, nextCursor: null };
const MODEL = "ministral-3b-instruct";

const COUNTS = { inserted: 1, updated: 0, unchanged: 0 };

const DRAFT = {
  responseId: RESPONSE,
  status: "completed",
  response: "Sure, see you at eight!",
  confidence: 0.74,
  modelVersion: MODEL,
  tokensUsed: 8,
};

const JOB_STATE = {
  id: JOB,
  status: "queued",
  progress: 0,
  error: null,
  fix: null,
  baseModel: MODEL,
  epochs: 3,
  learningRate: 0.001,
  method: "sft",
  sampleCount: 500,
  metrics: null,
  createdAt: SENT_AT,
  startedAt: null,
  finishedAt: null,
};

const SERVER_EXAMPLES = {
  RegisterDeviceRequest: {
    name: "MacBook Pro",
    hardwareId: "ABC123-DEF456",
    platform: "macos",
    osVersion: "15.2",
  },
  RegisterDeviceResponse: { deviceId: DEVICE, code: "123456", expiresAt: "2026-01-01T12:10:00.000Z" },
  VerifyDeviceRequest: { deviceId: DEVICE, code: "123456" },
  VerifyDeviceResponse: { token: "eyJhbGciOiJIUzI1NiJ9.e30.c2ln", expiresAt: "2026-01-08T12:00:00.000Z" },
  SyncMessagesRequest: {
    conversationImessageId: SENDER,
    conversationDisplayName: null,
    isGroup: false,
    participantIds: [SENDER],
    messages: [{
      imessageGuid: "6F1C5B0A-0000-4000-8000-000000000001",
      senderId: SENDER,
      direction: "incoming",
      messageType: "text",
      text: "Dinner at eight?",
      sentAt: SENT_AT,
    }],
  },
  SyncMessagesResponse: { conversationId: CONVERSATION, ...COUNTS },
  SyncContactsRequest: { contacts: [{ phoneNumber: SENDER, email: null, displayName: "Maya Lindqvist" }] },
  SyncContactsResponse: COUNTS,
  ConversationList: {
    conversations: [{
      id: CONVERSATION,
      imessageId: SENDER,
      displayName: null,
      isGroup: false,
      participantIds: [SENDER],
      messageCount: 1,
      lastMessageAt: SENT_AT,
      createdAt: SOON_AFTER,
    }],
    ...PAGE,
  },
  MessageList: {
    messages: [{
      id: MESSAGE,
      conversationId: CONVERSATION,
      imessageGuid: "6F1C5B0A-0000-4000-8000-000000000001",
      senderId: SENDER,
      direction: "incoming",
      messageType: "text",
      text: "Dinner at eight?",
      sentAt: SENT_AT,
      editedAt: null,
      retractedAt: null,
      replyToGuid: null,
      reactions: [],
      attachments: [],
    }],
    ...PAGE,
  },
  SearchResultList: {
    results: [{
      messageId: MESSAGE,
      conversationId: CONVERSATION,
      senderId: SENDER,
      direction: "incoming",
      sentAt: SENT_AT,
      snippet: "Dinner at eight?",
      match: { start: 0, end: 6 },
    }],
    total: 1,
    page: 1,
    pageSize: 20,
  },
  GenerateResponseRequest: { messageId: MESSAGE, async: false, candidates: 3 },
  GeneratedResponse: DRAFT,
  ResponseActionRequest: { action: "edit", editedResponse: "yes!! see you at eight" },
  ResponseActionResponse: {
    response: {
      ...DRAFT,
      conversationId: CONVERSATION,
      messageId: MESSAGE,
      error: null,
      action: "edit",
      editedResponse: "yes!! see you at eight",
      rejectionReason: null,
      createdAt: SENT_AT,
      completedAt: SOON_AFTER,
      actedAt: "2026-01-01T12:01:00.000Z",
    },
    trainingSampleId: SAMPLE,
  },
  ImportSamplesRequest: { limit: 500, dryRun: false },
  ImportSamplesResponse: {
    imported: 480,
    examined: 500,
    skipped: { repeated: 0, unprompted: 12, late: 5, automated: 0, unsuitable: 3 },
  },
  StartTrainingRequest: { epochs: 3, learningRate: 0.001, method: "sft" },
  TrainingJobResponse: { job: JOB_STATE },
};

const ML_EXAMPLES = {
  MlHealth: {
    status: "healthy",
    model_loaded: true,
    model_version: MODEL,
    redis_connected: true,
    kv_connected: true,
    queue_length: 0,
  },
  GenerateRequest: {
    prompt: "Them: Dinner at eight?\nMe:",
    max_tokens: 64,
    temperature: 0.7,
    top_p: 0.9,
    repeat_penalty: 1.1,
    stop: ["\nThem:", "\nMe:"],
    raw: false,
  },
  GenerateResponse: {
    response: "Sure, see you at eight!",
    confidence: 0.82,
    model_version: MODEL,
    tokens_used: 8,
    cached: false,
  },
  MlStartTrainingRequest: {
    job_id: "evening-1",
    base_model: MODEL,
    samples: [{ input: "Them: Dinner at eight?\nMe:", output: "yes!! see you at eight", quality: 1 }],
    epochs: 3,
    learning_rate: 0.001,
  },
  MlTrainingStatus: { job_id: "evening-1", status: "queued", progress: 0, error: null, position: 0 },
};

/** Examples by the name of their schema, which is unlike any of the other service. */
export const API_EXAMPLES: Readonly<Record<string, unknown>> = { ...SERVER_EXAMPLES, ...ML_EXAMPLES };
