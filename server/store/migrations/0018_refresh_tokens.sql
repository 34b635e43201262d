-- Refresh tokens of devices, as SHA-256 of 256 random bits. Rows stay after their token was replaced, so that its reuse is noticed.
create table refresh_tokens (
  token_hash text primary key,
  device_id uuid not null references devices (id) on delete cascade,
  -- The token that this one was given for; null for the first.
  parent_hash text,
  -- Set once another token of the device was used that is not its parent.
  replaced boolean not null default false,
  expires_at timestamptz(3) not null
);
create index refresh_tokens_device on refresh_tokens (device_id);
