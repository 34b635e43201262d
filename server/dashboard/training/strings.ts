/** Every English sentence of the page of training. */

function pointsOf(percent: number): string {
  return `${percent} percentage ${percent === 1 ? "point" : "points"}`;
}

export const MEANING_OF_CONFIDENCE =
  "How likely you are to send it with at most small changes, by what you did with earlier drafts. It says nothing about " +
  "whether it is true.";

export const TRAINING_STRINGS = {
  title: "Training",
  lead:
    "The model learns to write as you do from replies that you sent, accepted or edited. It is trained on your own " +
    "machine, and drafts with what it learned only if you say so.",
  learn: "Learn from my replies",
  learnHint: "Takes your latest sent replies as examples, then trains on all examples below.",
  learnFromSent: "Also learn from what I sent in place of a draft, at each training",
  replies: "How many of my latest replies",
  settings: "Settings",
  epochs: "Passes over the examples",
  learningRate: "Learning rate",
  learnButton: (count: number) =>
    `Learn from my last ${Number.isNaN(count) ? "" : count.toLocaleString("en")} replies`,
  previewButton: "Preview",
  preview: (made: number, examined: number) =>
    `${made.toLocaleString("en")} new ${made === 1 ? "example" : "examples"}, of ` +
    `${examined.toLocaleString("en")} sent replies that were looked at.`,
  leftOut: "Left out:",
  skipped: {
    repeated: "that are examples already",
    unprompted: "that answer nothing",
    late: "sent too late to be an answer",
    automated: "to senders that are no person",
    neverTrain: "from conversations that nothing is learned from",
    unsuitable: "that are a link, a number or too long",
  },
  excluded: {
    quality_zero: "without any weight",
    empty_prompt: "that answer nothing",
    empty_reply: "without a reply",
    no_rejected_draft: "without a draft to compare with",
    duplicate: "that are there twice",
    held_out_twin: "that are like one that is held out",
    reply_too_long: "that are too long",
    one_time_code: "with a code",
    credential: "with a password or the like",
    long_number: "with a long number",
    email_address: "with an e-mail address",
    postal_address: "with an address",
  } as Readonly<Record<string, string>>,
  estimate: (duration: string) =>
    `Training on all examples takes about ${duration}, if each takes as long as in the last training here.`,
  memory: (bytes: number) =>
    `That one needed ${
      (bytes / 1e9).toFixed(2)
    } GB of memory beside the model that drafts, with the same settings and model.`,
  noEstimate:
    "How long it takes and how much memory is not known before something was trained here. The time left shows once it runs; " +
    "one for which the memory is too little ends before its first step, and says so.",
  noModel: "The model",
  noModelHint: "The model cannot be reached just now; training starts once it can.",
  job: "Training",
  statuses: {
    queued: "waits for its turn",
    training: "under way",
    completed: "completed",
    failed: "failed",
    cancelled: "cancelled",
  },
  examples: (count: number) => `On ${count.toLocaleString("en")} ${count === 1 ? "example" : "examples"}`,
  progress: "Progress",
  preparing: "Preparing",
  step: (step: number, steps: number) => `Step ${step} of ${steps}`,
  left: (duration: string) => `about ${duration} left`,
  cancel: "Cancel the training",
  curve: "Loss by step",
  curveAt: (step: number, loss: number | null) =>
    `Loss by step; at step ${step} it is ${loss?.toFixed(3) ?? "unknown"}`,
  loss: "Loss of each step",
  heldOutLoss: "Loss on replies that are held out",
  adapters: "What can draft",
  adaptersHint:
    "Each training makes an adapter of the base model. It is offered only if it surely does better than the base model, " +
    "alone and with examples, and no worse than the adapter of many people's texting where that drafts without it.",
  adapter: (time: string) => `Adapter of ${time}`,
  states: {
    staged: "Not in use",
    promoted: "Drafts are made with it",
    retired: "Was in use",
    tainted: "Tainted",
  },
  learnedFrom: (count: number) =>
    `Learned from ${count.toLocaleString("en")} ${count === 1 ? "reply" : "replies"}`,
  losses: (count: number) =>
    `Loss per token on ${count} held-out ${count === 1 ? "reply" : "replies"}; less is better`,
  base: "Base model",
  withExamples: "Base model with examples",
  thisAdapter: "This adapter",
  compare: "Drafts of the same messages",
  compareHint:
    "Messages whose replies it did not learn from. The drafts are made when you ask, and stored nowhere.",
  noHeldOut: "None of the replies that it was measured on can be shown.",
  place: (place: number, count: number) => `Message ${place} of ${count}`,
  asked: "They wrote",
  sent: "You sent",
  writers: { base: "Base model", examples: "What drafts without it, with examples", adapter: "This adapter" },
  draftEach: "Draft it each way",
  draftAgain: "Draft it again",
  drafting: "Drafting…",
  previous: "Message before",
  next: "Next message",
  offered: "It is offered.",
  notOffered: "It is not offered.",
  tainted: "It learned from something that was deleted since, and is used no more.",
  faults: {
    unknown: "The model did not know this adapter when it was last asked for; drafts were made without it.",
    refused: "The model refused this adapter when it was last asked for; drafts were made without it.",
    damaged: "Its file is not the one that was trained; drafts were made without it.",
    unproven: "Its training did not end with figures that prove it; drafts were made without it.",
  },
  baseHint: "The model as it came, without anything of yours.",
  textingHint:
    "The model with the adapter of many people's texting that it comes with, without anything of yours.",
  promote: "Draft with it",
  rollBack: "Go back to what drafted before",
  calibrations: {
    acceptance: {
      title: "How far to trust the confidence",
      meaning: MEANING_OF_CONFIDENCE,
      reliability: "Confidence and what happened",
      bin: (predicted: number, observed: number) => `at ${predicted} % confidence, ${observed} % were sent`,
      axes:
        "Across: confidence. Up: share that you sent with at most small changes. On the dashed line the two agree.",
      few: (labels: number) =>
        `What happened to ${labels} ${
          labels === 1 ? "draft" : "drafts"
        } is known so far; from 30 on, a curve shows here ` +
        "how far the confidence agrees with what you did.",
      distance: (labels: number, percent: number) =>
        `Over ${labels.toLocaleString("en")} drafts, confidence and what you did are ${
          pointsOf(percent)
        } apart on average.`,
      easierHalf: (half: number, all: number) =>
        `Of the easier half of the drafts you sent ${half} % with at most small changes, of all of them ${all} %.`,
      coverage: "Drafts that are suggested",
      coverageHint: "The others are made as well, and shown only to whoever asks for them.",
    },
    trigger: {
      title: "How far to trust who gets an answer",
      meaning:
        "How likely you are to answer what others write within six hours, by what you answered before. Drafts that are made " +
        "by themselves begin with the likeliest.",
      reliability: "Likelihood of an answer and what happened",
      bin: (predicted: number, observed: number) =>
        `at ${predicted} % likelihood, ${observed} % were answered`,
      axes:
        "Across: likelihood. Up: share that you answered within six hours. On the dashed line the two agree.",
      few: (labels: number) =>
        `Whether you answered is known of ${labels} ${
          labels === 1 ? "time" : "times"
        } that somebody wrote; from 30 on, a curve ` +
        "shows here how far the likelihood agrees with what you did.",
      distance: (labels: number, percent: number) =>
        `Over ${labels.toLocaleString("en")} times that somebody wrote, likelihood and what you did are ` +
        `${pointsOf(percent)} apart on average.`,
      easierHalf: (half: number, all: number) =>
        `Of the likelier half you answered ${half} % within six hours, of all of it ${all} %.`,
      coverage: "What gets a draft by itself, in automatic conversations",
      coverageHint: "The rest gets a draft when you ask for one.",
    },
  },
  coverages: {
    1: "All",
    0.75: "The easier three quarters",
    0.5: "The easier half",
    0.25: "The easiest quarter",
    0: "None",
  } as Readonly<Record<number, string>>,
  share: (percent: number) => `The easiest ${percent} %`,
  samples: "Examples",
  filter: "Show",
  sources: {
    all: "All",
    accept: "Accepted",
    edit: "Edited",
    reject: "Rejected",
    import: "Sent by you",
    sent: "Sent instead",
  },
  noSamples: "There are none yet.",
  notLike: "Not like this:",
  exclude: "Leave out of the next training",
  confirmDelete: "Delete it",
} as const;
