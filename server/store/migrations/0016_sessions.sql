-- Browsers that are signed in as a device, and the codes that sign one in. Both are stored as SHA-256 of 256 random bits.
create table sessions (
  secret_hash text primary key,
  device_id uuid not null references devices (id) on delete cascade,
  created_at timestamptz(3) not null default now(),
  expires_at timestamptz(3) not null
);
create index sessions_device on sessions (device_id);
create index sessions_expiry on sessions (expires_at);

create table session_codes (
  code_hash text primary key,
  device_id uuid not null references devices (id) on delete cascade,
  expires_at timestamptz(3) not null
);
create index session_codes_device on session_codes (device_id);
create index session_codes_expiry on session_codes (expires_at);
