-- How often one person on Instagram is answered: comments and messages, within an hour and a day. The tenant's to set.
alter table instagram_accounts
  add column comments_an_hour integer not null default 5 check (comments_an_hour >= 0),
  add column comments_a_day integer not null default 15 check (comments_a_day >= 0),
  add column messages_an_hour integer not null default 60 check (messages_an_hour >= 0),
  add column messages_a_day integer not null default 200 check (messages_a_day >= 0);
