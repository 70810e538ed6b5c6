-- What was learnt of a model: which form of request its server takes, and how it cuts text.
create table model_traits (
  provider            text not null,
  model               text not null,
  -- json_schema, json_object or none: what it takes as response_format.
  json_mode           text not null,
  -- The field, or both, in which its server reads the cap on the output.
  cap_field           text not null,
  -- Tokens that it reports of an input for each one that we count, by the script of the text.
  latin_factor        real not null check (latin_factor between 1 and 8),
  other_factor        real not null check (other_factor between 1 and 8),
  updated_at          timestamptz not null default now(),
  primary key (provider, model)
);
