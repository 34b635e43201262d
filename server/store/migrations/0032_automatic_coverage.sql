-- How much of what waits for a reply gets a draft by itself.

alter table accounts add column automatic_coverage real not null default 1
  check (automatic_coverage between 0 and 1);
