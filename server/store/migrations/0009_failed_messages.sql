-- Which of the owner's messages Messages could not deliver; null for all others.

alter table messages add column failed boolean;
