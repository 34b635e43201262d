-- Keys of requests for drafts that may be sent again: the same key answers with the same draft. Kept for a day.
create table idempotency_keys (
  account_id uuid not null references accounts (id) on delete cascade,
  key text not null check (length(key) between 1 and 200),
  request_hash text not null,
  -- The id that the draft has or is to get; it may not be there yet, or not any more.
  response_id uuid not null,
  created_at timestamptz(3) not null default now(),
  primary key (account_id, key)
);

create index idempotency_keys_age on idempotency_keys (created_at);
