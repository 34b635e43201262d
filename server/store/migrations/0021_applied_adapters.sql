-- The adapter that wrote a draft, with the proof that it was applied; and adapters that ml refuses without that proof.

alter table responses add column adapter jsonb;
alter table adapters
  drop constraint adapters_fault_check,
  add constraint adapters_fault_check check (fault in ('unknown', 'refused', 'damaged', 'unproven'));
