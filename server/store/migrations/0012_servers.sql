-- Several servers on one database: their background jobs, their signing secret, and whose work a draft is.

create table jobs (
  queue text not null,
  id text not null,
  task text not null,
  -- Whose job it is; empty for none. Groups take turns.
  job_group text not null,
  state text not null check (state in ('queued', 'running', 'completed', 'failed', 'cancelled')),
  -- Times are epoch milliseconds, as the records of jobs have them.
  due_at double precision not null,
  -- Orders jobs that are due in the same millisecond.
  sequence double precision not null,
  enqueued_at double precision not null,
  started_at double precision,
  finished_at double precision,
  -- The run that works on the job: its server, and an id.
  run text,
  -- JSON as text: jsonb holds no \u0000.
  record text not null,
  payload text,
  result text,
  primary key (queue, id)
);
create index jobs_queued on jobs (queue, due_at, sequence, id) where state = 'queued';
create index jobs_running on jobs (queue) where state = 'running';
create index jobs_finished on jobs (queue, finished_at) where finished_at is not null;
create index jobs_group_started on jobs (queue, job_group, started_at);

create table server_secrets (
  name text primary key,
  value text not null,
  created_at timestamptz(3) not null default now()
);

-- The server that makes the draft, or has queued it; null for what versions before this one left.
alter table responses add column server_id text;
