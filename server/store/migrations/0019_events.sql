-- What happened in an account, for the clients that follow it. Rows younger than five minutes stay, so that a client that
-- was cut off can read on.

-- Its update is the last thing that a transaction with events waits for, and holds until it has committed: so the events of an
-- account become visible in the order of their ids, and whoever has read up to one misses none before it.
alter table accounts add column last_event_id bigint not null default 0;

create table events (
  account_id uuid not null references accounts (id) on delete cascade,
  id bigint not null,
  event text not null,
  data jsonb not null,
  created_at timestamptz(3) not null default clock_timestamp(),
  primary key (account_id, id)
);

-- Numbers an event, stores it, and wakes the servers.
create function add_event(account uuid, kind text, details jsonb) returns void language plpgsql as $$
declare
  event_id bigint;
begin
  update accounts set last_event_id = last_event_id + 1 where id = account returning last_event_id into event_id;
  -- The account may be on its way out.
  if event_id is null then
    return;
  end if;
  insert into events (account_id, id, event, data) values (account, event_id, kind, details);
  if event_id % 64 = 0 then
    delete from events where account_id = account and created_at < clock_timestamp() - interval '5 minutes';
  end if;
  perform pg_notify('conversation_assistant', '- events ' || account);
end $$;

-- They are triggers because no code path that changes something can forget them, and they run at the commit, so that a
-- transaction holds the account's row no longer than that.

create function note_response() returns trigger language plpgsql as $$
declare
  kind text := case new.status
    when 'generating' then 'response:generating'
    when 'completed' then 'response:completed'
    when 'failed' then 'response:failed'
    when 'cancelled' then 'response:failed'
  end;
begin
  if kind is not null then
    perform add_event(new.account_id, kind, jsonb_build_object(
      'responseId', new.id, 'conversationId', new.conversation_id, 'messageId', new.message_id, 'status', new.status));
  end if;
  return null;
end $$;
create constraint trigger responses_added after insert on responses
  deferrable initially deferred for each row execute function note_response();
create constraint trigger responses_changed after update on responses
  deferrable initially deferred for each row when (new.status is distinct from old.status)
  execute function note_response();

create function note_training_job() returns trigger language plpgsql as $$
begin
  perform add_event(new.account_id, 'training:progress', jsonb_build_object(
    'jobId', new.id, 'status', new.status, 'progress', new.progress));
  return null;
end $$;
create constraint trigger training_jobs_added after insert on training_jobs
  deferrable initially deferred for each row execute function note_training_job();
create constraint trigger training_jobs_changed after update on training_jobs
  deferrable initially deferred for each row
  when ((new.status, new.progress, new.metrics) is distinct from (old.status, old.progress, old.metrics))
  execute function note_training_job();

create function note_sync() returns trigger language plpgsql as $$
begin
  perform add_event(new.account_id, 'sync:progress', jsonb_build_object(
    'deviceId', new.device_id, 'inserted', new.inserted, 'updated', new.updated, 'unchanged', new.unchanged,
    'deleted', new.deleted, 'lagRows', new.lag_rows));
  return null;
end $$;
create constraint trigger device_syncs_noted after insert or update on device_syncs
  deferrable initially deferred for each row execute function note_sync();

create function note_device() returns trigger language plpgsql as $$
begin
  if new.status = 'deactivated' then
    perform pg_notify('conversation_assistant', '- device_deactivated ' || new.id);
  end if;
  if new.account_id is not null then
    perform add_event(new.account_id, 'device:changed', jsonb_build_object('deviceId', new.id, 'status', new.status));
  end if;
  return null;
end $$;
create constraint trigger devices_added after insert on devices
  deferrable initially deferred for each row execute function note_device();
create constraint trigger devices_changed after update on devices
  deferrable initially deferred for each row
  when ((new.account_id, new.name, new.scope, new.status) is distinct from
    (old.account_id, old.name, old.scope, old.status))
  execute function note_device();

-- What a browser holds open ends with its session.
create function note_session_end() returns trigger language plpgsql as $$
begin
  perform pg_notify('conversation_assistant', '- session_ended ' || old.secret_hash);
  return null;
end $$;
create trigger sessions_ended after delete on sessions for each row execute function note_session_end();
