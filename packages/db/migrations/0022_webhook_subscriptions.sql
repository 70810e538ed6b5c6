-- Whether Meta sends an account's events to the app: what it was subscribed to when it was last connected, or why not.

alter table instagram_accounts
  add column webhook_fields text[] not null default '{}',
  add column webhook_refusal text;
