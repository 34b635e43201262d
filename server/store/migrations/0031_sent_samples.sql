-- What was sent in place of an unused draft, as a training sample, and whether the account's owner wants that.

alter table training_samples
  drop constraint training_samples_source_check,
  add constraint training_samples_source_check
    check (source in ('accept', 'edit', 'reject', 'import', 'sent')),
  -- A rejected draft has the sample of its rejection, and may have that of what was sent instead.
  drop constraint training_samples_response_id_key;
create unique index training_samples_response on training_samples (response_id, source);

-- Of one sent reply there is one sample, whichever way it was found.
drop index training_samples_import;
create unique index training_samples_reply on training_samples (account_id, message_id)
  where source in ('import', 'sent');

-- True once what was sent in its place is a sample: one that the person deletes is not made again.
alter table responses add column learned boolean not null default false;
alter table accounts add column learn_from_sent boolean not null default false;
