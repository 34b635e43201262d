-- What a person changes about adapters and conversations is an event as well, so that two open browsers show the same.

create function note_adapter() returns trigger language plpgsql as $$
declare
  adapter adapters := coalesce(new, old);
begin
  perform add_event(adapter.account_id, 'models:changed', jsonb_build_object('adapterId', adapter.id));
  return null;
end $$;
create constraint trigger adapters_added after insert or delete on adapters
  deferrable initially deferred for each row execute function note_adapter();
create constraint trigger adapters_changed after update on adapters
  deferrable initially deferred for each row
  when ((new.state, new.fault) is distinct from (old.state, old.fault))
  execute function note_adapter();

-- Of messages that come in, the sync is the event.
create function note_conversation() returns trigger language plpgsql as $$
declare
  conversation conversations := coalesce(new, old);
begin
  perform add_event(conversation.account_id, 'conversation:changed', jsonb_build_object(
    'conversationId', conversation.id));
  return null;
end $$;
create constraint trigger conversations_deleted after delete on conversations
  deferrable initially deferred for each row execute function note_conversation();
create constraint trigger conversations_shortened after update on conversations
  deferrable initially deferred for each row when (new.message_count < old.message_count)
  execute function note_conversation();

create function note_policy() returns trigger language plpgsql as $$
begin
  perform add_event(c.account_id, 'conversation:changed', jsonb_build_object('conversationId', c.id))
    from conversations c where c.account_id = new.account_id and c.imessage_id = new.imessage_id;
  return null;
end $$;
create constraint trigger policies_changed after insert or update on conversation_policies
  deferrable initially deferred for each row execute function note_policy();
