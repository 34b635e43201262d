-- A job that learns from a sample that is deleted is stopped, not only its adapter tainted at its end.

alter table ml_outbox
  drop constraint ml_outbox_kind_check,
  add constraint ml_outbox_kind_check
    check (kind in ('taint_adapter', 'delete_adapter', 'clear_cache', 'cancel_training'));

create or replace function taint_adapters() returns trigger language plpgsql as $$
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
  -- A live job has no error otherwise, so it is told to stop once.
  with stopped as (
    update training_jobs j set error = 'A sample that it learned from was deleted'
    where j.status in ('queued', 'training') and j.error is null
      and j.account_id in (select account_id from gone)
      and exists (
        select from jsonb_array_elements_text(j.sample_ids) learned join gone on gone.id::text = learned.value)
    returning j.id
  )
  insert into ml_outbox (kind, target) select 'cancel_training', id::text from stopped;
  return null;
end $$;
