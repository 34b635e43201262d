-- What ml said of a draft beside the probability that it is sent, and whether it is suggested; null for drafts made
-- before, whose confidence is what ml said. How many drafts an account wants suggested.

alter table responses
  add column raw_confidence real,
  add column suggested boolean,
  add column reason text
    check (reason in ('code', 'opinion', 'commitment', 'fact', 'unsure'));
alter table accounts add column draft_coverage real not null default 1
  check (draft_coverage between 0 and 1);
