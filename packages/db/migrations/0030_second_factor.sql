-- A second factor (TOTP), and what an operator's key may do as one.

alter table accounts
  -- Sealed with ENCRYPTION_KEY for this account; in force from totp_enabled_at on.
  add column totp_secret text,
  add column totp_enabled_at timestamptz,
  -- The time step of the last code that was taken: none is taken twice.
  add column totp_last_step bigint not null default 0;

-- Each lets its owner in once, without the device.
create table recovery_codes (
  account_id uuid not null references accounts on delete cascade,
  code_hash  bytea not null,
  primary key (account_id, code_hash)
);

-- Keys from before act as their operators do; new ones act as tenants unless they are made for more.
alter table api_keys
  add column operator_scope text not null default 'none' check (operator_scope in ('none', 'read', 'write'));
update api_keys k set operator_scope = 'write' from accounts a where a.id = k.account_id and a.role = 'operator';
