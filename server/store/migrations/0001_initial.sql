-- Accounts, devices, synced messages, drafted replies and training data.

create table accounts (
  id uuid primary key,
  created_at timestamptz(3) not null default now()
);

create table devices (
  id uuid primary key,
  account_id uuid references accounts on delete cascade,
  name text not null,
  hardware_id text not null,
  platform text not null,
  os_version text not null,
  scope text not null check (scope in ('sync', 'full')),
  status text not null check (status in ('pending', 'active', 'deactivated')),
  token_id uuid unique,
  registered_address text not null,
  linked_by_device_id uuid references devices on delete set null,
  created_at timestamptz(3) not null default now(),
  verified_at timestamptz(3),
  deactivated_at timestamptz(3),
  last_seen_at timestamptz(3),
  unique (account_id, id),
  check (status <> 'active' or (account_id is not null and token_id is not null))
);
create index devices_recent on devices (account_id, created_at desc, id desc);
create index devices_pending on devices (registered_address) where status = 'pending';

create table device_codes (
  device_id uuid primary key references devices on delete cascade,
  code_hash text not null,
  expires_at timestamptz(3) not null,
  used_at timestamptz(3)
);
create index device_codes_hash on device_codes (code_hash);
create index device_codes_expiry on device_codes (expires_at) where used_at is null;

-- No foreign key: the attempts on a device count on when the device is gone.
create table verify_attempts (
  id uuid primary key,
  device_id uuid not null,
  address text not null,
  attempted_at timestamptz(3) not null
);
create index verify_attempts_device on verify_attempts (device_id, attempted_at);
create index verify_attempts_address on verify_attempts (address, attempted_at);
create index verify_attempts_age on verify_attempts (attempted_at);

create table device_syncs (
  device_id uuid primary key,
  account_id uuid not null,
  last_batch_at timestamptz(3) not null,
  batches bigint not null,
  inserted bigint not null,
  updated bigint not null,
  unchanged bigint not null,
  foreign key (account_id, device_id) references devices (account_id, id) on delete cascade
);
create index device_syncs_account on device_syncs (account_id);

create table contacts (
  id uuid primary key,
  account_id uuid not null references accounts on delete cascade,
  identity text not null,
  apple_id text,
  phone_number text,
  email text,
  display_name text,
  avatar_hash text,
  created_at timestamptz(3) not null default now(),
  unique (account_id, identity)
);
create index contacts_recent on contacts (account_id, created_at desc, id desc);
create index contacts_apple_id on contacts (account_id, lower(apple_id));
create index contacts_phone_number on contacts (account_id, lower(phone_number));
create index contacts_email on contacts (account_id, lower(email));

create table conversations (
  id uuid primary key,
  account_id uuid not null references accounts on delete cascade,
  imessage_id text not null,
  display_name text,
  is_group boolean not null,
  participant_ids text[] not null,
  message_count integer not null default 0 check (message_count >= 0),
  last_message_at timestamptz(3),
  created_at timestamptz(3) not null default now(),
  unique (account_id, imessage_id),
  unique (account_id, id)
);
create index conversations_recent
  on conversations (account_id, (coalesce(last_message_at, created_at)) desc, id desc);

-- The composite foreign keys below make it impossible for a row to refer to another account's rows.
create table messages (
  id uuid primary key,
  account_id uuid not null,
  conversation_id uuid not null,
  imessage_guid text not null,
  sender_id text,
  direction text not null check (direction in ('incoming', 'outgoing')),
  message_type text not null,
  text text,
  sent_at timestamptz(3) not null,
  edited_at timestamptz(3),
  retracted_at timestamptz(3),
  reply_to_guid text,
  reactions jsonb,
  attachments jsonb,
  created_at timestamptz(3) not null default now(),
  unique (account_id, imessage_guid),
  foreign key (account_id, conversation_id) references conversations (account_id, id) on delete cascade,
  -- Years that ISO 8601 writes with four digits: a time outside could be stored, but not be read back.
  check (sent_at between '0001-01-02Z' and '9999-12-31Z'),
  check (edited_at between '0001-01-02Z' and '9999-12-31Z'),
  check (retracted_at between '0001-01-02Z' and '9999-12-31Z')
);
create index messages_timeline on messages (conversation_id, sent_at, id);

create table responses (
  id uuid primary key,
  account_id uuid not null,
  conversation_id uuid not null,
  message_id uuid not null references messages on delete cascade,
  device_id uuid not null,
  status text not null check (status in ('queued', 'generating', 'completed', 'failed', 'cancelled')),
  prompt text not null,
  response text,
  confidence real,
  model_version text,
  tokens_used integer,
  timings jsonb,
  error text,
  action text check (action in ('accept', 'edit', 'reject')),
  edited_response text,
  rejection_reason text,
  created_at timestamptz(3) not null default now(),
  completed_at timestamptz(3),
  acted_at timestamptz(3),
  foreign key (account_id, conversation_id) references conversations (account_id, id) on delete cascade,
  foreign key (account_id, device_id) references devices (account_id, id),
  check (status <> 'completed' or response is not null),
  check (action is null or status = 'completed')
);
create index responses_recent on responses (account_id, created_at desc, id desc);
create index responses_conversation on responses (conversation_id, created_at desc, id desc);
create index responses_live on responses (status) where status in ('queued', 'generating');
create index responses_message on responses (message_id);

create table training_samples (
  id uuid primary key,
  account_id uuid not null references accounts on delete cascade,
  response_id uuid unique references responses on delete cascade,
  conversation_id uuid references conversations on delete cascade,
  message_id uuid references messages on delete cascade,
  input text not null,
  output text not null,
  rejected_output text,
  quality real not null check (quality >= 0 and quality <= 1),
  source text not null check (source in ('accept', 'edit', 'reject', 'import')),
  created_at timestamptz(3) not null default now()
);
create index training_samples_recent on training_samples (account_id, created_at desc, id desc);
create index training_samples_conversation on training_samples (conversation_id);
create index training_samples_message on training_samples (message_id);
create unique index training_samples_import on training_samples (account_id, message_id) where source = 'import';

create table training_jobs (
  id uuid primary key,
  account_id uuid not null,
  device_id uuid not null,
  status text not null check (status in ('queued', 'training', 'completed', 'failed', 'cancelled')),
  progress real not null default 0 check (progress >= 0 and progress <= 100),
  error text,
  base_model text not null,
  epochs integer not null,
  learning_rate real not null,
  sample_ids jsonb not null,
  sample_count integer not null,
  created_at timestamptz(3) not null default now(),
  started_at timestamptz(3),
  finished_at timestamptz(3),
  foreign key (account_id, device_id) references devices (account_id, id)
);
create index training_jobs_recent on training_jobs (account_id, created_at desc, id desc);
create unique index training_jobs_live on training_jobs (device_id) where status in ('queued', 'training');
