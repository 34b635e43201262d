-- The times of messages may be all that the wire can write: the years 0001 to 9999 in UTC, to the millisecond. Before,
-- the first and the last day were refused. Each check reads the table once, about a second for a million messages, and
-- nothing else reads or writes messages meanwhile.
alter table messages
  drop constraint messages_sent_at_check,
  drop constraint messages_edited_at_check,
  drop constraint messages_retracted_at_check,
  drop constraint messages_read_at_check,
  drop constraint messages_delivered_at_check,
  add constraint messages_sent_at_check
    check (sent_at between '0001-01-01Z' and '9999-12-31 23:59:59.999Z'),
  add constraint messages_edited_at_check
    check (edited_at between '0001-01-01Z' and '9999-12-31 23:59:59.999Z'),
  add constraint messages_retracted_at_check
    check (retracted_at between '0001-01-01Z' and '9999-12-31 23:59:59.999Z'),
  add constraint messages_read_at_check
    check (read_at between '0001-01-01Z' and '9999-12-31 23:59:59.999Z'),
  add constraint messages_delivered_at_check
    check (delivered_at between '0001-01-01Z' and '9999-12-31 23:59:59.999Z');
