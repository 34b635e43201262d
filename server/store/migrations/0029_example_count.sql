-- How many earlier replies a draft's prompt shows as examples; null for drafts made before.

alter table responses add column example_count integer;
