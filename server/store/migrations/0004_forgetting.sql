-- What a draft or a sample was made from, so that it goes with any of that; and what a person deleted for good.

-- All messages whose text is in the prompt, or in an imported sample's reply; null for rows older than this.
alter table responses add column source_message_ids uuid[];
alter table training_samples add column source_message_ids uuid[];
create index responses_sources on responses using gin (source_message_ids);
create index training_samples_sources on training_samples using gin (source_message_ids);

-- A device that sends these again, as one does after its database was replaced, brings nothing back.
create table deleted_messages (
  account_id uuid not null references accounts on delete cascade,
  imessage_guid text not null,
  deleted_at timestamptz(3) not null default now(),
  primary key (account_id, imessage_guid)
);

-- Messages of this conversation that were sent until then stay away, also those that were not there yet.
create table deleted_conversations (
  account_id uuid not null references accounts on delete cascade,
  imessage_id text not null,
  sent_until timestamptz(3) not null,
  primary key (account_id, imessage_id)
);
