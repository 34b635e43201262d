-- What to do about a training job's error; null where the error says it all, and for jobs of earlier versions.

alter table training_jobs add column fix text;
