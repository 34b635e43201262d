-- What happened to each row of chat.db that a device has come past, as it last said. Locks one small table for a moment.

alter table device_syncs add column capture jsonb;
