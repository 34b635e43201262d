-- Adapters that training made, which one an account's drafts are made with, and what ml has yet to hear.

alter table training_jobs
  add column method text not null default 'sft' check (method in ('sft', 'dpo')),
  add column settings jsonb not null default '{}',
  add column metrics jsonb,
  add unique (account_id, id);
create index training_jobs_unfinished on training_jobs (id) where status in ('queued', 'training');

create table adapters (
  id text primary key,
  account_id uuid not null,
  job_id uuid not null unique,
  base_model text not null,
  state text not null check (state in ('staged', 'promoted', 'retired', 'tainted')),
  offered boolean not null,
  base_loss double precision,
  examples_loss double precision,
  adapter_loss double precision,
  held_out_samples integer not null,
  train_samples integer not null,
  fault text check (fault in ('unknown', 'refused')),
  created_at timestamptz(3) not null default now(),
  -- Finer than other times: it orders the promotions of an account, which may follow one another at once.
  promoted_at timestamptz(6),
  foreign key (account_id, job_id) references training_jobs (account_id, id) on delete cascade,
  check (state not in ('promoted', 'retired') or promoted_at is not null)
);
create index adapters_recent on adapters (account_id, created_at desc, id desc);
create unique index adapters_promoted on adapters (account_id) where state = 'promoted';

-- No foreign key: ml must hear of an adapter's end when its row is gone.
create table ml_outbox (
  id bigint generated always as identity primary key,
  kind text not null check (kind in ('taint_adapter', 'delete_adapter', 'clear_cache')),
  target text not null,
  created_at timestamptz(3) not null default now()
);

-- However a sample goes (by itself, with its message, conversation or draft), no adapter that learned from it stays in
-- use. The lock orders this with promotions and with the end of jobs, whose adapters are checked when they are made.
create function taint_adapters() returns trigger language plpgsql as $$
begin
  if not exists (select from gone) then
    return null;
  end if;
  perform pg_advisory_xact_lock(hashtextextended('adapters:' || account_id, 0))
    from (select distinct account_id from gone order by account_id) accounts_of_gone;
  with tainted as (
    update adapters a set state = 'tainted'
    from training_jobs j
    where j.id = a.job_id and a.state <> 'tainted' and a.account_id in (select account_id from gone)
      and exists (
        select from jsonb_array_elements_text(j.sample_ids) learned join gone on gone.id::text = learned.value)
    returning a.id
  )
  insert into ml_outbox (kind, target) select 'taint_adapter', id from tainted;
  return null;
end $$;
create trigger training_samples_taint after delete on training_samples
  referencing old table as gone for each statement execute function taint_adapters();
