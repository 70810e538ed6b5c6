-- Cancelling: a queued job ends at once; a running one carries the wish, which its worker sees.

alter table jobs add column cancel_requested_at timestamptz;

-- Whoever puts a running job back (for another try, for tokens, at a shutdown, after a crash) may not know of the wish.
create function end_cancelled() returns trigger language plpgsql as $$
begin
  new.status := 'cancelled';
  new.error := 'Cancelled';
  new.error_code := 'cancelled';
  new.finished_at := now();
  return new;
end $$;
create trigger end_cancelled before update on jobs for each row
  when (old.status = 'running' and new.status = 'queued' and new.cancel_requested_at is not null)
  execute function end_cancelled();
