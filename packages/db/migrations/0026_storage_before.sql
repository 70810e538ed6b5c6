-- What was there before the triggers counted. It blocks no writer: what changes in these seconds may count a little wrong.
with since as (select applied_at as at from migrations where name = '0025_storage.sql'), kept as (
  select account_id, 200 + octet_length(title) + octet_length(text) as bytes from knowledge, since where created_at <= at
  union all select account_id, 200 + octet_length(concat(url, question, answer)) from qa_pairs, since where created_at <= at
  union all select account_id, 200 + octet_length(concat(name, currency_label, sku, gtin, mpn, brand, description, images, url, sources))
    from products, since where created_at <= at
  union all select account_id, 200 + octet_length(text) from messages, since where received_at <= at
  union all select account_id, 200 + octet_length(input::text) from jobs, since where created_at <= at and input is not null
)
insert into account_storage as s (account_id, bytes)
  select account_id, sum(bytes) from kept group by 1 order by 1
on conflict (account_id) do update set bytes = s.bytes + excluded.bytes;
