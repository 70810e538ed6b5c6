-- What an account keeps, in bytes of its texts, and how much that may be.

alter table plans add column storage_bytes bigint not null default 20000000 check (storage_bytes >= 0);
update plans set storage_bytes = 200000000 where id = 'growth';
update plans set storage_bytes = 2000000000 where id = 'scale';

-- Moved by triggers alone; no row means that nothing is kept.
create table account_storage (
  account_id uuid primary key,
  bytes      bigint not null
) with (fillfactor = 50);

-- Each row counts 200 bytes more than its texts, for many small ones take room, too.
create function add_storage(changed_account uuid[], changed_bytes bigint[]) returns void language sql as $$
  insert into account_storage as s (account_id, bytes)
    select u.account_id, sum(u.bytes) from unnest(changed_account, changed_bytes) as u (account_id, bytes)
    group by 1 having sum(u.bytes) <> 0 order by 1
  on conflict (account_id) do update set bytes = s.bytes + excluded.bytes
$$;

do $create$
declare
  kept record;
begin
  for kept in select * from (values
    ('knowledge', 'octet_length(title) + octet_length(text)'),
    ('products', 'octet_length(concat(name, currency_label, sku, gtin, mpn, brand, description, images, url, sources))'),
    ('qa_pairs', 'octet_length(concat(url, question, answer))'),
    ('messages', 'octet_length(text)')
  ) as v (name, bytes)
  loop
    execute format($function$
      create function %1$s_storage() returns trigger language plpgsql as $body$
      begin
        if tg_op = 'INSERT' then
          perform add_storage(array_agg(account_id), array_agg((200 + %2$s)::bigint)) from added;
        elsif tg_op = 'DELETE' then
          perform add_storage(array_agg(account_id), array_agg(-(200 + %2$s)::bigint)) from gone;
        else
          perform add_storage(array_agg(account_id), array_agg(bytes)) from (
            select account_id, (%2$s)::bigint as bytes from added union all select account_id, -(%2$s)::bigint from gone) c;
        end if;
        return null;
      end $body$
    $function$, kept.name, kept.bytes);
    execute format('create trigger count_added after insert on %1$s referencing new table as added
      for each statement execute function %1$s_storage()', kept.name);
    execute format('create trigger count_changed after update on %1$s referencing old table as gone new table as added
      for each statement execute function %1$s_storage()', kept.name);
    execute format('create trigger count_gone after delete on %1$s referencing old table as gone
      for each statement execute function %1$s_storage()', kept.name);
  end loop;
end $create$;

-- Of jobs the input counts, until it is forgotten. Their updates are too many to look at: what forgets inputs says so itself.
create function job_storage() returns trigger language plpgsql as $$
begin
  perform add_storage(array_agg(account_id), array_agg(200 + octet_length(input::text)::bigint)) from added;
  return null;
end $$;
create trigger count_added after insert on jobs referencing new table as added
  for each statement execute function job_storage();

-- How much an account may keep: its plan's share while that runs, and a little to begin with.
create function storage_limit(p_account uuid) returns bigint language sql stable as $$
  select greatest(1000000, (
    select p.storage_bytes from subscriptions s join plans p on p.id = s.plan_id
    where s.account_id = p_account and s.is_current and s.status = 'active' and (s.renews or s.ends_at > now())))
$$;
