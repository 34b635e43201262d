-- What a device deleted, that it is there, and how many rows wait on it.

alter table device_syncs
  alter column last_batch_at drop not null,
  add column deleted bigint not null default 0,
  add column heartbeat_at timestamptz(3),
  add column lag_rows bigint;
