-- When a job was put back last: what it may wait for counts from then on.
alter table jobs add column requeued_at timestamptz;
