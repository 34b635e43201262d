-- ml also says of an adapter that its file is not the one that was trained.

alter table adapters
  drop constraint adapters_fault_check,
  add constraint adapters_fault_check check (fault in ('unknown', 'refused', 'damaged'));
