-- Why the gate offered an adapter or did not; unknown for those judged before.

alter table adapters add column offer_reason text;
update training_jobs set metrics = jsonb_set(metrics, '{result,offerReason}', 'null')
where jsonb_typeof(metrics -> 'result') = 'object';
