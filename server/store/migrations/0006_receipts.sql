-- When a message was read, and when one of the owner's was delivered; null while no device has said so.

alter table messages
  add column read_at timestamptz(3) check (read_at between '0001-01-02Z' and '9999-12-31Z'),
  add column delivered_at timestamptz(3) check (delivered_at between '0001-01-02Z' and '9999-12-31Z');
