-- A message that ml does not take is told again later and later, and in the end no more; it holds up no other.

alter table ml_outbox
  add column tries integer not null default 0,
  -- Null: at once.
  add column due_at timestamptz(3),
  -- Why it is told no more; null while it is still to be told.
  add column refused text;
