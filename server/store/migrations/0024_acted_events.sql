-- What the person did with a draft is an event as well, so that it is done with on every device at once.

create function note_response_action() returns trigger language plpgsql as $$
begin
  perform add_event(new.account_id, 'response:acted', jsonb_build_object(
    'responseId', new.id, 'conversationId', new.conversation_id, 'messageId', new.message_id, 'status', new.status,
    'action', new.action));
  return null;
end $$;
create constraint trigger responses_acted after update on responses
  deferrable initially deferred for each row
  when (new.action is not null and new.action is distinct from old.action)
  execute function note_response_action();
