-- What a program must not mend: shown to operators until it has gone.

create table alarms (
  id            uuid primary key,
  kind          text not null,
  -- What it is about: an id of that kind.
  subject       uuid not null,
  what          text not null,
  raised_at     timestamptz not null default now(),
  last_seen_at  timestamptz not null default now(),
  gone_at       timestamptz
);
create unique index alarms_open on alarms (kind, subject) where gone_at is null;
