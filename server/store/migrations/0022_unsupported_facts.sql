-- What a draft states and nothing in its prompt says; null for drafts made before.

alter table responses add column unsupported text[];
