-- The drafts that a person may choose from, and the one that was chosen, whose text is in `response` since.

alter table responses
  add column candidates jsonb,
  add column chosen_candidate integer;
