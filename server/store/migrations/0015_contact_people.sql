-- What contacts of one person share, as the device sends it; null where a contact is known by itself alone.
alter table contacts add column person_id text;
